// The daemon's program file: creates the real OS parts and connects the rooms. The lock, the socket and the shutdown
// are in `control/lifecycle.ts`; this file joins what a session passes through.

import { setTimeout as delay } from 'node:timers/promises';
import manifest from '../package.json' with { type: 'json' };
import { AuditLog } from './audit/log.ts';
import { consentChecks } from './consent/checks.ts';
import { consentHandlers, showGrants } from './consent/handlers.ts';
import { Pin } from './consent/pin.ts';
import { Presence } from './consent/presence.ts';
import { ConsentService } from './consent/service.ts';
import { trustChecks } from './consent/trust-checks.ts';
import { openWays } from './consent/ways.ts';
import { type DaemonContext, type Rooms, runDaemon } from './control/lifecycle.ts';
import { credentialHandlers } from './credential/handlers.ts';
import { Locks } from './credential/locks.ts';
import { openCredentials } from './credential/open.ts';
import { Rejections } from './credential/rejections.ts';
import { LogSigner, opensSilently } from './credential/signing.ts';
import { WarderError } from './errors.ts';
import { hostHandlers } from './host/handlers.ts';
import { openBackgroundDigests } from './os/background-digest.ts';
import { userBrowser } from './os/browser.ts';
import { programFile } from './os/build.ts';
import { userDisplay } from './os/display.ts';
import { openDuplicate } from './os/duplicate-descriptor.ts';
import { homeFolder } from './os/home.ts';
import { openNative } from './os/native-launcher.ts';
import { openPolkit } from './os/polkit.ts';
import { processes } from './os/processes.ts';
import { retiredDaemons } from './os/retired.ts';
import { openSpareMemory } from './os/spare-memory.ts';
import { loadSpawn } from './os/spawn.ts';
import { userName } from './os/user.ts';
import { nativeStampCheck } from './package/stamp-check.ts';
import { PackageStore } from './package/store.ts';
import { accountName } from './profile/auth.ts';
import { userEnvironment } from './profile/environment.ts';
import { Profiles } from './profile/watch.ts';
import { chooseSandbox, weakerFindings } from './sandbox/choose.ts';
import { inspectMachine, type Machine } from './sandbox/machine.ts';
import { NetworkPool } from './sandbox/network-pool.ts';
import { probe } from './sandbox/probe.ts';
import { sweep } from './server/process-record.ts';
import { leftRoots, runtimeRoots, spareFolders } from './server/runtime-folder.ts';
import { Sessions } from './server/sessions.ts';
import { SpareSandboxes } from './server/spare-sandboxes.ts';
import type { Check } from './wire/control.ts';

/** Milliseconds that a daemon which stops or hands over waits for what it still has to do with the credential store. */
const STORE_TIMEOUT = 2000;

await runDaemon(process.argv.slice(4), manifest.version, openRooms);

async function openRooms(context: DaemonContext): Promise<Rooms> {
  const { places, settings, log, clock, uid, version, redactions, inherited } = context;
  const machineProcesses = processes();
  const roots = runtimeRoots(places.run, uid, process.pid);
  // First of all, and under the lock: what is here now belongs to daemons that have handed over, or was left by a killed one.
  const living = new Set([process.pid, ...retiredDaemons(places).map(({ pid }) => pid)]);
  for (const left of leftRoots(places.run, uid, living)) void sweep(left, machineProcesses, log);
  const audit = await AuditLog.open({
    places,
    settings: settings.audit,
    signerExpected: settings.store !== undefined,
    othersAppend: () => retiredDaemons(places).some(({ pid }) => pid !== process.pid),
    version,
    pid: process.pid,
    clock,
    log,
  });
  const profiles = await Profiles.open(places, log);
  let retired = false;
  profiles.onChange((change) => {
    // The daemon that took over records it.
    if (retired) return;
    const { name: profile, ...rest } = change;
    tryAppend(() => audit.append('profile.change', { profile, ...rest }));
  });
  const { env, execPath } = process;
  const user = userEnvironment({ execPath, home: homeFolder(env), user: userName(env), env });
  const spawn = await loadSpawn();
  const credentials = openCredentials({
    places,
    settings,
    clock,
    log,
    user,
    spawn,
    platform: process.platform,
    uid,
    env,
    vaultMark: () => audit.vaultMark(),
  });
  if (inherited !== undefined) credentials.stores.inherit(inherited);
  const logSigner = new LogSigner({
    stores: credentials.stores,
    audit,
    folder: places.state,
    platform: process.platform,
    log,
  });
  const machine = await inspectMachine(uid, places.run, openNative);
  // Probed now, while nobody waits for it.
  const kind =
    process.platform === 'darwin'
      ? Promise.resolve('seatbelt' as const)
      : probe(machine).then((tried) => {
          const chosen = chooseSandbox(machine, tried);
          if (chosen === 'landlock')
            log.warn({}, 'user namespaces are forbidden: servers run in the weaker sandbox');
          return chosen;
        });
  const locks = new Locks(places, log);
  const rejections = new Rejections(log, () => clock.now());
  const networks = new NetworkPool({
    machine,
    node: execPath,
    stage: programFile('namespace'),
    log,
  });
  const egress = lazy(async () => {
    const [{ Egress }, duplicate] = await Promise.all([
      import('./egress/egress.ts'),
      openDuplicate(process.platform),
    ]);
    return new Egress({
      settings: settings.egress,
      places,
      home: user.home,
      credentials,
      audit,
      guards: locks,
      onCredentialResponse: (credential, status, host) => rejections.record(credential, status, host),
      thread: duplicate && { file: programFile('gate'), duplicate },
      clock,
      log,
    });
  });
  const remote = lazy(async () => {
    const { Remote } = await import('./remote/remote.ts');
    const desktop = userDisplay({ env, home: user.home, uid });
    return new Remote({
      egress,
      credentials,
      locks,
      audit,
      state: places.state,
      settings: settings.remote,
      browser: userBrowser({
        platform: process.platform,
        command: settings.remote.browser,
        environment: async () => {
          const { env: variables, display } = await desktop.find();
          return display === undefined ? undefined : variables;
        },
        hasDesktop: () => desktop.isPossible(),
        spawn,
      }),
      clock,
      log,
    });
  });
  const accounts = lazy(async () => {
    const [{ remoteHandlers }, made] = await Promise.all([import('./remote/handlers.ts'), remote()]);
    return remoteHandlers({ accounts: made.accounts, probe: (profile) => made.probe(profile), profiles });
  });
  const presence = new Presence(
    new Pin(() => credentials.stores.get().blobs, clock, places.run),
    openPolkit({ pid: process.pid, uid }),
    clock,
  );
  const ways = openWays({
    platform: process.platform,
    settings: settings.consent,
    bus: { env, home: user.home, uid },
    spawn,
    presence,
    clock,
  });
  const consent = new ConsentService({
    settings: settings.consent,
    folder: places.state,
    blobs: () => credentials.stores.get().blobs,
    onStoreOpened: (listener) => credentials.stores.onOpened(listener),
    isStoreChosen: () => credentials.stores.chosen !== undefined,
    uid: process.getuid?.(),
    audit,
    ways,
    presence,
    clock,
    log,
  });
  if (credentials.stores.chosen !== undefined && opensSilently(credentials.stores.chosen, process.platform))
    void consent.open();
  const spares = spareFolders();
  const sandboxes = new SpareSandboxes({ spawn, machine, log });
  const sessions = new Sessions({
    profiles,
    audit,
    consent,
    start: {
      credentials,
      audit,
      user,
      runtimeRoots: roots,
      spareFolders: spares,
      packages: new PackageStore({
        places,
        clock,
        registry: refuseInstall,
        progress: () => {},
        matchesStamps: machine.native && nativeStampCheck(spawn, machine.native),
      }),
      server: { spawn, processes: machineProcesses, log },
      machine,
      sandboxKind: () => kind,
      landlockStage: programFile('landlock'),
      locks,
      networks,
      sandboxes,
      egress,
      remote,
      places,
      uid,
      gid: process.getgid?.() ?? -1,
    },
    settings,
    clock,
    log,
    memory: await openSpareMemory(),
    digests: await openBackgroundDigests(),
  });
  const redact = (line: string): string => sessions.redact(line);
  redactions.add(redact);
  profiles.onChange(({ name, change }) => {
    sandboxes.drop(name);
    if (change === 'changed') sessions.updatePolicy(name);
  });
  credentials.onRotation((name) => {
    rejections.clear(name);
    return sessions.rotate(name);
  });

  /** Appends a record of something that has already happened. If that fails, calls are refused meanwhile. */
  function tryAppend(write: () => unknown): void {
    try {
      write();
    } catch {
      // The audit log has reported why in the daemon's log.
    }
  }

  return {
    async retire() {
      await Promise.race([consent.retire(), delay(STORE_TIMEOUT, undefined, { ref: false })]);
      retired = true;
      // It starts no session any more.
      await sandboxes[Symbol.asyncDispose]();
      logSigner[Symbol.dispose]();
      audit.retire();
    },
    get needed() {
      return credentials.stores.inheritance() !== undefined;
    },
    inheritance: () => credentials.stores.inheritance(),
    list: () => sessions.status(),
    end: (session) => sessions.end(session),
    async refresh({ credential, revoked = false, trust, grants, grant }) {
      locks.reload();
      if (locks.locked) sessions.locked();
      // What the daemon with the lock has accepted, it has written itself.
      const taken =
        retired && grants !== undefined ? showGrants(await consent.reread(grants === 'all', grant)) : [];
      if (retired && trust !== undefined) await consent.trust.reread(trust);
      const reread = retired && (trust !== undefined || grants !== undefined);
      if (credential === undefined) return { ...(reread && { reread, revoked: taken }) };
      const [, profile] = /^oauth\/(.+)$/.exec(credential) ?? [];
      if (profile !== undefined) await (await remote.made)?.accounts.reload(profile);
      return revoked ? await sessions.revoke(credential) : await sessions.rotate(credential);
    },
    openSession: (request, host) => sessions.open(request, host),
    handlers: {
      ...credentialHandlers({
        credentials,
        audit,
        profiles,
        places,
        locks,
        reopenSigner: () => logSigner.reopen(),
        revoke: (name) => sessions.revoke(name),
        locked: () => sessions.locked(),
        sessions: () => sessions.status().length,
      }),
      ...consentHandlers(consent, (name) => {
        profiles.scan();
        return profiles.names.includes(name) || profiles.broken.has(name);
      }),
      'login.start': async (params) => (await accounts())['login.start'](params),
      'login.agree': async (params) => (await accounts())['login.agree'](params),
      'login.state': async (params) => (await accounts())['login.state'](params),
      'login.paste': async (params) => (await accounts())['login.paste'](params),
      'login.cancel': async (params) => (await accounts())['login.cancel'](params),
      async logout(params) {
        const signedOut = await (await accounts()).logout(params);
        await sessions.revoke(accountName(params.profile));
        return signedOut;
      },
      accounts: async (params) => (await accounts()).accounts(params),
      'remote.probe': async (params) => (await accounts())['remote.probe'](params),
      ...hostHandlers({ blobs: () => credentials.stores.get().blobs, clock }),
      end: ({ session }) => sessions.end(session),
      async 'audit.signed'() {
        await logSigner.retry();
        await audit.checkpoint();
        const { point = null } = audit.signed;
        return { point, unknown: point === null ? (audit.status().detail ?? null) : null };
      },
    },
    async status() {
      profiles.scan();
      const { broken } = profiles;
      return {
        store: await credentials.stores.state(),
        audit: audit.status(),
        profiles: [...new Set([...profiles.names, ...broken.keys()])].map((name) => {
          const why = broken.get(name);
          return why === undefined ? { name } : { name, broken: why };
        }),
        sessions: sessions.status(),
        planted: [...sessions.planted],
        credentials: {
          locked: locks.locked,
          guarded: locks.needsPassphrase,
          revoked: [...locks.revokedNames],
          doubted: rejections.all.map((rejection) => ({
            ...rejection,
            since: new Date(rejection.since).toISOString(),
          })),
        },
      };
    },
    checks: async () => [
      ...(await credentials.stores.checks()),
      ...(await sandboxChecks(machine)),
      ...(await consentChecks({ settings: settings.consent, ways, presence })),
      ...(await trustChecks(profiles.names, consent.trust)),
    ],
    async [Symbol.asyncDispose]() {
      redactions.delete(redact);
      spares[Symbol.dispose]();
      await (await remote.made)?.[Symbol.asyncDispose]();
      await Promise.all([networks[Symbol.asyncDispose](), sandboxes[Symbol.asyncDispose]()]);
      await profiles[Symbol.asyncDispose]();
      // The log's last signature needs the store.
      logSigner[Symbol.dispose]();
      await Promise.race([logSigner.settled, delay(STORE_TIMEOUT, undefined, { ref: false })]);
      await audit[Symbol.asyncDispose]();
      await credentials[Symbol.asyncDispose]();
    },
  };
}

/** Calls `make` at the first use, and again after a failure. `made` is undefined before. */
function lazy<Made>(
  make: () => Promise<Made>,
): (() => Promise<Made>) & { readonly made: Promise<Made> | undefined } {
  let made: Promise<Made> | undefined;
  const get = (): Promise<Made> => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return Object.defineProperty(get, 'made', { get: () => made }) as ReturnType<typeof lazy<Made>>;
}

/** The daemon installs nothing. The command line does, while a person waits. */
function refuseInstall(): never {
  throw new WarderError('daemon-internal', 'the daemon installs no packages');
}

/** The findings of `doctor` on each layer of the sandbox. */
async function sandboxChecks(machine: Machine): Promise<Check[]> {
  const states = { ok: 'ok', weak: 'warn', missing: 'fail' } as const;
  const findings = await probe(machine);
  return [...findings, ...weakerFindings(chooseSandbox(machine, findings))].map(
    ({ layer, state, detail, hint }) => ({
      name: `sandbox, ${layer}`,
      state: states[state],
      detail,
      ...(hint !== undefined && { hint }),
    }),
  );
}
