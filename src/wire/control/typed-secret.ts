// What a person types to prove something: a passphrase, a PIN.
import * as z from 'zod';

export const typedSecret = z.string().min(1).max(1024);
