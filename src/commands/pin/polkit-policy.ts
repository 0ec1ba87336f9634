// The description of Warder's action for polkit (polkit(8), "Declaring actions"). Root has to install it: who may add
// actions may answer for the user.
import { POLKIT_ACTION } from '../../os/polkit.ts';

export const POLKIT_POLICY_PATH = `/usr/share/polkit-1/actions/${POLKIT_ACTION}.policy`;

/** `auth_self`, and never `auth_self_keep`: one proof is for one answer. */
export const POLKIT_POLICY = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD polkit Policy Configuration 1.0//EN"
  "http://www.freedesktop.org/software/polkit/policyconfig-1.dtd">
<policyconfig>
  <vendor>Warder</vendor>
  <action id="${POLKIT_ACTION}">
    <description>Answer a question of Warder for good, or allow the use of a credential</description>
    <message>Authentication is needed for the answer that you are giving to Warder</message>
    <icon_name>dialog-password</icon_name>
    <defaults>
      <allow_any>auth_self</allow_any>
      <allow_inactive>auth_self</allow_inactive>
      <allow_active>auth_self</allow_active>
    </defaults>
  </action>
</policyconfig>
`;
