// A credential's name, as it may come from outside.
import * as z from 'zod';
import { CREDENTIAL_NAME, CREDENTIAL_NAME_RULE } from './hello.ts';

/** A credential's name in a store. */
export const credentialName = z
  .string()
  .max(200)
  .regex(CREDENTIAL_NAME, `a credential name is ${CREDENTIAL_NAME_RULE}`);
