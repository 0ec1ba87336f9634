// Opens a page in the browser of the person at the terminal.
import { pageUrl, userBrowser } from '../os/browser.ts';
import { loadSpawn } from '../os/spawn.ts';
import { loadSettings } from '../profile/settings.ts';
import type { Places } from '../wire/places.ts';

/** False: there is none, or it did not take the page. Throws `sign-in-failed` for what is no page, and `config-invalid`. */
export async function browse(
  url: string,
  places: Places,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const page = pageUrl(url, { loopback: true });
  const browser = userBrowser({
    platform: process.platform,
    command: loadSettings(places).remote.browser,
    environment: async () =>
      Object.fromEntries(
        Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
    hasDesktop: () => Boolean(env.DISPLAY || env.WAYLAND_DISPLAY),
    spawn: await loadSpawn(),
  });
  return browser.isPossible() && (await browser.open(page));
}
