import { expect, test } from 'vitest';
import {
  launchdAgent,
  systemdService,
  systemdSocket,
} from '../../../../src/commands/daemon/service-files.ts';

const plain = {
  launch: '/home/ada/.local/share/warder/bin/warder',
  socket: '/home/ada/.local/state/warder/run/daemon.sock',
  variables: {},
};

test('W-HOST-1: the service and the agent name the launch command, and no Node', () => {
  const files = [systemdService(plain), launchdAgent(plain)];
  for (const text of files) {
    expect(text).toContain(plain.launch);
    expect(text).not.toMatch(/node|\.js/);
  }
});

test('the service runs the daemon in the foreground, without core dumps and with a private umask', () => {
  const lines = systemdService(plain).split('\n');
  expect(lines).toContain('ExecStart="/home/ada/.local/share/warder/bin/warder" "daemon" "run"');
  expect(lines).toEqual(
    expect.arrayContaining(['UMask=0077', 'LimitCORE=0', 'KillMode=mixed', 'Requires=warder.socket']),
  );
  expect(lines.some((line) => line.startsWith('Environment='))).toBe(false);
});

test('settings that would break a sandbox are not used', () => {
  expect(systemdService(plain)).not.toMatch(
    /^(NoNewPrivileges|Protect|Private(?!Tmp=no)|Restrict|SystemCall|MemoryDeny)/m,
  );
});

test('the socket is at the place that the launcher uses, 0600 in a 0700 folder', () => {
  const lines = systemdSocket(plain).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      `ListenStream=${plain.socket}`,
      'SocketMode=0600',
      'DirectoryMode=0700',
      'WantedBy=sockets.target',
    ]),
  );
});

test('nothing in a path is expanded by systemd', () => {
  const odd = {
    ...plain,
    launch: '/opt/a "b" $HOME %h\\c/warder',
    socket: '/run/100%/daemon.sock',
    variables: { WARDER_HOME: '/w "x" %t $y' },
  };
  expect(systemdService(odd)).toContain('"/opt/a \\"b\\" $$HOME %%h\\\\c/warder"');
  expect(systemdService(odd)).toContain('Environment="WARDER_HOME=/w \\"x\\" %%t $y"');
  expect(systemdSocket(odd)).toContain('ListenStream=/run/100%%/daemon.sock');
});

test('the agent is well-formed with any path', () => {
  const text = launchdAgent({ ...plain, launch: '/opt/<a> & b/warder', variables: { WARDER_HOME: '/w&' } });
  expect(text).toContain('<string>/opt/&lt;a&gt; &amp; b/warder</string>');
  expect(text).toContain('<key>WARDER_HOME</key><string>/w&amp;</string>');
  expect(text).toContain('<key>Umask</key><integer>63</integer>');
});
