"use strict";

const fs = require("node:fs");
const path = require("node:path");

/** The names that the program has in a folder of programs, on this system. */
const NAMES = process.platform === "win32" ? ["tflint-nan.exe", "tflint-nan.cmd"] : ["tflint-nan"];

/**
 * The program to start: what the settings say, else what is installed beside the Python interpreter that is
 * selected, else what a shell would find.
 *
 * @param {string} configured the setting, empty where it is not set
 * @param {string | undefined} interpreter the path of the selected Python interpreter
 * @param {string} searchPath the PATH
 * @returns {string | undefined} undefined where there is none
 */
function find(configured, interpreter, searchPath) {
  if (configured) {
    return configured;
  }
  const folders = searchPath.split(path.delimiter).filter(Boolean);
  if (interpreter) {
    folders.unshift(path.dirname(interpreter));
  }
  const candidates = folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name)));
  return candidates.find((candidate) => fs.existsSync(candidate));
}

module.exports = { find };
