"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");
const { find } = require("./find");

/** @type {LanguageClient | undefined} */
let client;

/** The settings that the server knows; `path` is ours. */
function settings() {
  const all = vscode.workspace.getConfiguration("tflint-nan");
  return {
    strict: all.get("strict"),
    select: all.get("select"),
    extendSelect: all.get("extendSelect"),
    ignore: all.get("ignore"),
    config: all.get("config"),
  };
}

/** The interpreter that is selected in Microsoft's Python extension, where that is installed. */
async function interpreter() {
  const python = vscode.extensions.getExtension("ms-python.python");
  if (!python) {
    return undefined;
  }
  const api = await python.activate();
  return api.environments?.getActiveEnvironmentPath()?.path;
}

async function start() {
  const configured = vscode.workspace.getConfiguration("tflint-nan").get("path");
  const command = find(configured, await interpreter(), process.env.PATH ?? "");
  if (!command) {
    vscode.window.showWarningMessage(
      "tflint-nan is not installed: run `pip install 'tflint-nan[server]'` in your environment, or set tflint-nan.path.",
    );
    return;
  }
  const notebook = { notebookType: "jupyter-notebook", language: "python" };
  client = new LanguageClient(
    "tflint-nan",
    { command, args: ["server"] },
    {
      documentSelector: [
        { scheme: "file", language: "python" },
        { scheme: "untitled", language: "python" },
        { notebook, language: "python" },
      ],
      initializationOptions: settings(),
    },
  );
  await client.start();
}

async function restart() {
  await client?.stop();
  client = undefined;
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("tflint-nan.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("tflint-nan.path")) {
        await restart();
      } else if (event.affectsConfiguration("tflint-nan")) {
        await client?.sendNotification("workspace/didChangeConfiguration", { settings: settings() });
      }
    }),
  );
  await start();
}

async function deactivate() {
  await client?.stop();
}

module.exports = { activate, deactivate };
