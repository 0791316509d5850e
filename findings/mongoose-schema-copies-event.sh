#!/usr/bin/env bash
# What is left of a plugin in each copy of its schema: the plugin adds a static, a hook, and a listener to the schema's documented event
# `init`, by which it hears of the model that is compiled.
#
# Guess: a copy is a copy: each has all three, or none of them.
# Seen: with Mongoose 9.12.1 and 8.24.10 `clone()` keeps all three. `new Schema(schema)`, `omit()` and `add(schema)` keep the static and the hook
# and lose the listener, so that a plugin which completes the model (indexes, getters) is half there and nobody is told. `pick()` keeps none of
# the three. The way out: apply the plugin to the copy once more, and let it find out by itself what is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose-8@npm:mongoose@8.24.10 mongoose-9@npm:mongoose@9.12.1 >/dev/null

cat >copies.mjs <<'PROGRAM'
const { default: mongoose } = await import(process.argv[2]);
const { Schema } = mongoose;
const told = new Set();
const plugin = (schema) => {
  schema.static('verb', () => {});
  schema.pre('validate', () => void told.add('hook'));
  schema.on('init', () => void told.add('event'));
};
const ways = {
  'the schema itself': (schema) => schema,
  'clone()': (schema) => schema.clone(),
  'new Schema(schema)': (schema) => new Schema(schema),
  'new Schema({}).add(schema)': (schema) => new Schema({}).add(schema),
  'omit()': (schema) => schema.omit(['b']),
  'pick()': (schema) => schema.pick(['a']),
};
for (const [way, copy] of Object.entries(ways)) {
  told.clear();
  const Model = mongoose.model(way, copy(new Schema({ a: Number, b: Number }).plugin(plugin)));
  await new Model({ a: 1 }).validate();
  if ('verb' in Model) told.add('static');
  console.log(`${way}: ${[...told].sort().join(', ')}`);
}
process.exit(0);
PROGRAM
found=$(
  for package in mongoose-8 mongoose-9; do
    echo "$package"
    node copies.mjs "$package"
  done
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
mongoose-8
the schema itself: event, hook, static
clone(): event, hook, static
new Schema(schema): hook, static
new Schema({}).add(schema): hook, static
omit(): hook, static
pick(): 
mongoose-9
the schema itself: event, hook, static
clone(): event, hook, static
new Schema(schema): hook, static
new Schema({}).add(schema): hook, static
omit(): hook, static
pick(): 
SEEN
