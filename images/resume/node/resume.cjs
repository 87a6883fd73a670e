// Keeps copies of a Node process from drawing the same random values (docs/uniqueness.md):
//
//   NODE_OPTIONS=--require=/usr/lib/anchorhold/node/resume.cjs
//
// Math.random and those functions of node:crypto that return random values take the kernel's bytes, a buffer of them at
// a time. Each draw compares the guest's generation afterwards: where it is another one, the buffer and what was drawn
// are thrown away. Signals would come too late, since JavaScript sees them only between two turns of the event loop.
//
// Not covered, because they are native code: TLS, key and prime generation, crypto.subtle; nor Math.random of contexts
// that node:vm makes. Outside of an Anchorhold guest nothing is replaced.
//
// require('/usr/lib/anchorhold/node/resume.cjs').onResume(hook) calls `hook` after each resume, in a turn of the event
// loop that may come after others: for what an application keeps, such as connections to be made anew.
'use strict';

const fs = require('node:fs');
const crypto = require('node:crypto');
const { syncBuiltinESMExports } = require('node:module');

const folder = process.env.ANCHORHOLD_RUN || '/run/anchorhold';
const generationSize = 21;
const capacity = 4096;
const maxInt = 2 ** 48;

exports.onResume = () => {};

let generationFile;
try {
  generationFile = fs.openSync(`${folder}/generation`, 'r');
} catch {
  return;
}

const { readSync, openSync, closeSync } = fs;
const seen = Buffer.alloc(generationSize);
const now = Buffer.alloc(generationSize);
const pool = Buffer.alloc(capacity);
let used = capacity;

// True where the guest is the one it was at the last call. A file that cannot be read any more never says so.
function sameGuest() {
  try {
    if (readSync(generationFile, now, 0, generationSize, 0) === generationSize && now.equals(seen)) return true;
  } catch {
    // as another guest
  }
  now.copy(seen);
  return false;
}

// Not a descriptor that stays open: its number could have become another file's.
function readKernel(bytes) {
  const file = openSync('/dev/urandom', 'r');
  try {
    for (let have = 0; have < bytes.length;) {
      have += readSync(file, bytes, have, bytes.length - have, null);
    }
  } finally {
    closeSync(file);
  }
}

// Fills `bytes`. Whatever was drawn before the guest became another one is drawn again.
function fill(bytes) {
  for (let tries = 0; tries < 3; ++tries) {
    if (bytes.length > capacity) {
      readKernel(bytes);
    } else {
      if (capacity - used < bytes.length) {
        readKernel(pool);
        used = 0;
      }
      pool.copy(bytes, 0, used, used + bytes.length);
      pool.fill(0, used, used + bytes.length);
      used += bytes.length;
    }
    if (sameGuest()) return;
    used = capacity;
  }
  readKernel(bytes);
}

sameGuest();

const word = Buffer.alloc(8);
Math.random = function random() {
  fill(word);
  return ((word.readUInt32LE(0) >>> 5) * 2 ** 26 + (word.readUInt32LE(4) >>> 6)) / 2 ** 53;
};

// The original is called first wherever it checks arguments: its errors stay its own.
const { randomBytes, randomFill, randomFillSync, randomInt, randomUUID } = crypto;
const original = { randomBytes, randomFill, randomFillSync, randomInt, randomUUID };
const replaced = {};

replaced.randomBytes = function randomBytes(size, callback) {
  if (!Number.isInteger(size) || size < 0 || size > 2 ** 31 - 1 || (callback !== undefined && typeof callback !== 'function')) {
    return original.randomBytes(size, callback);
  }
  const bytes = Buffer.alloc(size);
  if (callback === undefined) {
    fill(bytes);
    return bytes;
  }
  setImmediate(() => {
    fill(bytes);
    callback(null, bytes);
  });
  return undefined;
};
for (const alias of ['pseudoRandomBytes', 'prng', 'rng']) replaced[alias] = replaced.randomBytes;

// The part of a buffer or typed array that `offset` and `size`, in its elements, mean.
function part(target, offset = 0, size = undefined) {
  const element = target.BYTES_PER_ELEMENT ?? 1;
  const start = (target.byteOffset ?? 0) + offset * element;
  const end = size === undefined ? (target.byteOffset ?? 0) + target.byteLength : start + size * element;
  return Buffer.from(ArrayBuffer.isView(target) ? target.buffer : target, start, end - start);
}

replaced.randomFillSync = function randomFillSync(target, offset, size) {
  original.randomFillSync(target, offset, size);
  fill(part(target, offset, size));
  return target;
};

replaced.randomFill = function randomFill(target, ...rest) {
  const callback = rest.pop();
  if (typeof callback !== 'function') return original.randomFill(target, ...rest, callback);
  return original.randomFill(target, ...rest, (error, filled) => {
    if (!error) fill(part(target, ...rest));
    callback(error, filled);
  });
};

function drawInt(min, max) {
  const range = max - min;
  const limit = maxInt - (maxInt % range);
  const bytes = Buffer.alloc(6);
  for (;;) {
    fill(bytes);
    const value = bytes.readUIntBE(0, 6);
    if (value < limit) return min + (value % range);
  }
}

replaced.randomInt = function randomInt(min, max, callback) {
  if (max === undefined || typeof max === 'function') {
    callback = max;
    max = min;
    min = 0;
  }
  if (callback !== undefined && typeof callback !== 'function') return original.randomInt(min, max, callback);
  original.randomInt(min, max);
  if (callback === undefined) return drawInt(min, max);
  process.nextTick(() => callback(undefined, drawInt(min, max)));
  return undefined;
};

function uuid() {
  const bytes = Buffer.alloc(16);
  fill(bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

replaced.randomUUID = function randomUUID(options) {
  if (options !== undefined) original.randomUUID(options);
  return uuid();
};

// What cannot be replaced looks its value up in what can.
function replace(object, name, value) {
  const { configurable, enumerable } = Object.getOwnPropertyDescriptor(object, name) ?? {};
  if (configurable) Object.defineProperty(object, name, { value, writable: true, configurable, enumerable });
}

// Web Crypto's methods belong to a class of which globalThis.crypto and crypto.webcrypto are the one object.
const web = Object.getPrototypeOf(crypto.webcrypto);
const { getRandomValues } = web;
replace(web, 'getRandomValues', function (target) {
  getRandomValues.call(crypto.webcrypto, target);
  fill(part(target));
  return target;
});
replace(web, 'randomUUID', replaced.randomUUID);
replaced.getRandomValues = (target) => crypto.webcrypto.getRandomValues(target);

// Watching keeps no process alive.
exports.onResume = function onResume(hook) {
  let last = fs.readFileSync(`${folder}/generation`, 'latin1');
  fs.watch(`${folder}/generation`, { persistent: false }, () => {
    const next = fs.readFileSync(`${folder}/generation`, 'latin1');
    if (next === last || next.length !== generationSize) return;
    last = next;
    hook();
  });
};

for (const [name, value] of Object.entries(replaced)) replace(crypto, name, value);
syncBuiltinESMExports();
