/** The one tool of Warder's own, which a host is shown while nobody has signed in and nothing is known of the server. */
export const SIGN_IN_TOOL = 'warder_sign_in';
