// The files by which the system starts the daemon: for systemd a user service and the socket that activates it, for
// launchd an agent that starts it at login. Pure; `daemon install` writes the files.
//
// Some settings that usually harden a service are left out, because they would break the sandboxes: seccomp filters and
// NoNewPrivileges stop a setuid bubblewrap, and the Protect… settings mask parts of /proc, after which the kernel does not
// let a sandbox mount its own /proc.

/** The values in the files. */
export interface ServiceInput {
  /** The launch command, absolute: it starts a Node also after the one of today is gone. */
  readonly launch: string;
  readonly socket: string;
  /** Environment variables that change the daemon's places. */
  readonly variables: Readonly<Record<string, string>>;
}

/** `warder.service`, systemd.service(5). */
export function systemdService({ launch, variables }: ServiceInput): string {
  const command = [launch, 'daemon', 'run'].map((word) => systemdQuote(word).replaceAll('$', '$$$$'));
  const environment = Object.entries(variables).map(
    ([name, value]) => `Environment=${systemdQuote(`${name}=${value}`)}\n`,
  );
  return `[Unit]
Description=Warder, which keeps the keys of MCP servers
Requires=warder.socket
After=warder.socket

[Service]
Type=exec
ExecStart=${command.join(' ')}
${environment.join('')}UMask=0077
LimitCORE=0
KeyringMode=private
# The daemon ends its servers itself. A server that runs out of memory does not end the daemon.
KillMode=mixed
TimeoutStopSec=30
OOMPolicy=continue
Restart=on-failure
`;
}

/** `warder.socket`, systemd.socket(5). */
export function systemdSocket({ socket }: ServiceInput): string {
  return `[Unit]
Description=Warder's socket

[Socket]
ListenStream=${socket.replaceAll('%', '%%')}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`;
}

/** `warder.plist`, launchd.plist(5). */
export function launchdAgent({ launch, variables }: ServiceInput): string {
  const text = (value: string): string => `<string>${escapeXml(value)}</string>`;
  const environment = Object.entries(variables).map(
    ([name, value]) => `    <key>${escapeXml(name)}</key>${text(value)}\n`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>warder</string>
  <key>ProgramArguments</key>
  <array>
    ${[launch, 'daemon', 'run'].map(text).join('\n    ')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${environment.join('')}  </dict>
  <key>RunAtLoad</key><true/>
  <key>ProcessType</key><string>Background</string>
  <key>Umask</key><integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key><integer>0</integer>
  </dict>
</dict>
</plist>
`;
}

/** Quotes a word of a systemd setting, and escapes all specifiers, but not "$". */
function systemdQuote(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
