// Asks by a dialog of macOS (`osascript`) or a toast of Windows (PowerShell). The scripts are fixed texts; what a server
// or a model has written is passed as an argument or as input, and is never part of a script.
import type { Spawn } from '../../os/spawn.ts';
import type { Question } from '../questions/question.ts';
import type { Way } from '../questions/way.ts';
import { meaningOf, type Notification, notificationOf } from './notification.ts';
import { type DialogProgram, type DialogResult, runDialog } from './run.ts';
import { untilWithdrawn } from './withdrawal.ts';

/** How a system asks: the program that shows a notification, and the key that its result is. */
export interface SystemDialog {
  plan(notification: Notification, seconds: number): DialogProgram;
  keyOf(result: DialogResult, notification: Notification): string | undefined;
}

const APPLESCRIPT = [
  'on run argv',
  'set shown to display dialog (item 2 of argv) with title (item 1 of argv) buttons (items 4 thru -1 of argv) default button "Deny" with icon caution giving up after ((item 3 of argv) as integer)',
  'if gave up of shown then return ""',
  'return button returned of shown',
  'end run',
];
/** A dialog has three buttons at most; the last is at the right, and Return presses the default one. */
const MAC_KEYS = ['details', 'allow', 'allow-once', 'deny'];

export const osascript: SystemDialog = {
  plan(notification, seconds) {
    const { summary, body } = notification;
    const labels = MAC_KEYS.flatMap((key) => labelOf(key, notification) ?? []);
    const script = APPLESCRIPT.flatMap((line) => ['-e', line]);
    return {
      file: '/usr/bin/osascript',
      args: [...script, summary, body, String(seconds), ...labels],
      env: { LANG: 'en_US.UTF-8' },
    };
  },
  keyOf({ code, output }, notification) {
    if (code !== 0) return undefined;
    const label = output.replace(/\n$/, '');
    return MAC_KEYS.find((key) => labelOf(key, notification) === label);
  },
};

/** Reads one line of JSON, shows the toast, and prints the key of the button that was pressed. */
const TOAST = `
$ErrorActionPreference = 'Stop'
$asked = [Console]::In.ReadToEnd() | ConvertFrom-Json
[Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime] > $null
[Windows.Data.Xml.Dom.XmlDocument, Windows.Data.Xml.Dom.XmlDocument, ContentType = WindowsRuntime] > $null
$xml = New-Object Windows.Data.Xml.Dom.XmlDocument
$xml.LoadXml('<toast scenario="reminder"><visual><binding template="ToastGeneric"><text/><text/></binding></visual><actions/></toast>')
$texts = $xml.GetElementsByTagName('text')
$texts.Item(0).AppendChild($xml.CreateTextNode($asked.summary)) > $null
$texts.Item(1).AppendChild($xml.CreateTextNode($asked.body)) > $null
foreach ($action in $asked.actions) {
  $element = $xml.CreateElement('action')
  $element.SetAttribute('content', $action.label)
  $element.SetAttribute('arguments', $action.key)
  $xml.GetElementsByTagName('actions').Item(0).AppendChild($element) > $null
}
$toast = New-Object Windows.UI.Notifications.ToastNotification $xml
Register-ObjectEvent -InputObject $toast -EventName Activated -SourceIdentifier activated > $null
Register-ObjectEvent -InputObject $toast -EventName Dismissed -SourceIdentifier dismissed > $null
$application = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($application).Show($toast)
$event = Wait-Event -Timeout $asked.seconds
if ($event.SourceIdentifier -eq 'activated') { [Console]::Out.Write($event.SourceEventArgs.Arguments) }
`;

export const toast: SystemDialog = {
  plan({ summary, body, actions }, seconds) {
    return {
      file: 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe',
      args: [
        '-NoProfile',
        '-NonInteractive',
        '-EncodedCommand',
        Buffer.from(TOAST, 'utf16le').toString('base64'),
      ],
      env: { SystemRoot: 'C:\\Windows' },
      input: JSON.stringify({ summary, body, actions, seconds }),
    };
  },
  keyOf: ({ code, output }) => (code === 0 ? output : undefined),
};

export interface SystemDialogOptions {
  readonly dialog: SystemDialog;
  readonly spawn: Spawn;
  /** Whether a yes that is given there may count. */
  readonly canAllow: (question: Question) => boolean;
}

export function systemDialogWay({ dialog, spawn, canAllow }: SystemDialogOptions): Way {
  return {
    name: 'desktop',
    async ask(question, signal) {
      const notification = notificationOf(question, { canAllow: canAllow(question), isMarkup: false });
      const seconds = Math.ceil((question.until - question.since) / 1000);
      const result = await runDialog(spawn, dialog.plan(notification, seconds), signal);
      if (result === undefined) return 'nobody';
      const meaning = meaningOf(dialog.keyOf(result, notification), notification);
      if (meaning !== 'details') return meaning ?? 'nobody';
      // Now the question waits for a terminal, until its time is over.
      await untilWithdrawn(signal);
      return 'nobody';
    },
  };
}

function labelOf(key: string, { actions }: Notification): string | undefined {
  return actions.find((action) => action.key === key)?.label;
}
