"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { find } = require("../src/find");

const NAME = process.platform === "win32" ? "tflint-nan.exe" : "tflint-nan";

function folder(...names) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "find-"));
  for (const name of names) {
    fs.writeFileSync(path.join(made, name), "");
  }
  return made;
}

test("the setting comes first", () => {
  const there = folder(NAME);
  assert.equal(find("/opt/tflint-nan", path.join(there, "python"), there), "/opt/tflint-nan");
});

test("the interpreter's own program comes before the PATH's", () => {
  const own = folder(NAME, "python");
  const other = folder(NAME);
  assert.equal(find("", path.join(own, "python"), other), path.join(own, NAME));
});

test("an interpreter without the program leaves it to the PATH", () => {
  const own = folder("python");
  const other = folder(NAME);
  const searched = [folder(), other].join(path.delimiter);
  assert.equal(find("", path.join(own, "python"), searched), path.join(other, NAME));
  assert.equal(find("", undefined, searched), path.join(other, NAME));
});

test("nothing is found where there is nothing", () => {
  assert.equal(find("", undefined, ""), undefined);
  assert.equal(find("", undefined, folder()), undefined);
});
