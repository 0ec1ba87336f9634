// Environment variables that a profile may and may not set. A loader variable makes a program, or a program that it
// starts, load or run other code. Profiles are copied from READMEs, so they must not set one. Names are compared in
// upper case, because Windows ignores case.

/** The pattern of a variable's name. */
export const VARIABLE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** The variables of every server. `env` of a profile may replace them; a credential may not. */
export const BASE_VARIABLES = ['PATH', 'HOME', 'USER', 'LANG', 'TZ', 'TMPDIR'];

const LOADER_VARIABLES = new Set(
  [
    'LIBPATH SHLIB_PATH GCONV_PATH GLIBC_TUNABLES OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES GTK_MODULES GTK_PATH',
    'GIO_EXTRA_MODULES GIO_MODULE_DIR',
    'NODE_OPTIONS NODE_PATH NODE_COMPILE_CACHE NODE_REPL_EXTERNAL_MODULE NPM_CONFIG_NODE_OPTIONS NPM_CONFIG_SCRIPT_SHELL BUN_OPTIONS',
    'BUN_INSPECT_PRELOAD',
    'PYTHONPATH PYTHONSTARTUP PYTHONHOME PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONEXECUTABLE PYTHONBREAKPOINT',
    'PYTHONWARNINGS PYTHONINSPECT PYTHONPYCACHEPREFIX',
    'PERLLIB RUBYOPT RUBYLIB RUBYSHELL GEM_HOME GEM_PATH BUNDLE_GEMFILE PHPRC PHP_INI_SCAN_DIR',
    'JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH',
    'DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE CORECLR_ENABLE_PROFILING COR_ENABLE_PROFILING',
    'BASH_ENV ENV SHELLOPTS BASHOPTS PS4 PROMPT_COMMAND ZDOTDIR IFS BASH_LOADABLES_PATH',
    'GIT_SSH GIT_SSH_COMMAND GIT_EXEC_PATH GIT_TEMPLATE_DIR GIT_ASKPASS GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER',
    'GIT_EXTERNAL_DIFF GIT_PROXY_COMMAND SSH_ASKPASS SUDO_ASKPASS',
    'ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER JULIA_LOAD_PATH',
    'JULIA_DEPOT_PATH GOFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER MAKEFLAGS',
  ].flatMap((names) => names.split(' ')),
);
const LOADER_PREFIXES = [
  ...['LD_', 'DYLD_', '_RLD', 'PERL5', 'BASH_FUNC_', 'GIT_CONFIG', 'CORECLR_PROFILER', 'COR_PROFILER'],
  ...['LUA_INIT', 'LUA_PATH', 'LUA_CPATH'],
];

/** Whether a variable of this name makes programs load or run code that its value names. */
export function isLoaderVariable(name: string): boolean {
  const upper = name.toUpperCase();
  return LOADER_VARIABLES.has(upper) || LOADER_PREFIXES.some((prefix) => upper.startsWith(prefix));
}

const SECRET_PATTERNS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['a GitHub token', /\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})/],
  ['a GitLab token', /\bgl(pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{16,}/],
  ['an API key', /\b[sr]k-[A-Za-z0-9_-]{16,}/],
  ['a Stripe key', /\b[sr]k_(live|test)_[A-Za-z0-9]{10,}/],
  ['a Slack token', /\bx(ox[abceoprs]|app)-[A-Za-z0-9-]{10,}/],
  ['an AWS key', /\b(AKIA|ASIA)[A-Z0-9]{16}\b/],
  ['a Google API key', /\bAIza[A-Za-z0-9_-]{30,}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{30,}/],
  ['a Notion token', /\b(ntn_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{30,})/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{20,}/],
  ['a JSON Web Token', /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+/],
  ['a private key', /-----BEGIN [A-Z0-9 ]*PRIVATE KEY/],
  ['an age key', /\bAGE-SECRET-KEY-1[0-9A-Z]{10,}/],
  ['a password in a URL', /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i],
];

/** The id of a key of AWS. It is not secret: it is in each request that is signed with the key. */
export function isAwsKeyId(text: string): boolean {
  return /^(?:AKIA|ASIA)[A-Z0-9]{16}$/.test(text);
}

/** Whether a variable has the secret access key of AWS, by its name. */
export function isAwsSecretKey(variable: string): boolean {
  return /(?:^|_)AWS_SECRET_(?:ACCESS_)?KEY$/.test(variable);
}

/** The kind of secret that a text seems to contain (`a GitHub token`), or `undefined`. A guess, for warnings. */
export function detectSecret(text: string): string | undefined {
  return SECRET_PATTERNS.find(([, pattern]) => pattern.test(text))?.[0];
}
