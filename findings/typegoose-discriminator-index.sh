#!/usr/bin/env bash
# Tasks by Typegoose: a class with `@index({ state: 1 })` for the claims, and two kinds that extend it and become models by
# `getDiscriminatorModelForClass()`, as its guide has it. MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: the collection has the index once, over all tasks, as with Mongoose, where a discriminator does not declare its base's indexes again.
# Seen: with Typegoose 13.4.0 and Mongoose 9.7.3 each kind declares it again, and Mongoose adds a partial filter for that kind. The three have one
# name, so one is built and two are refused (86), which only listeners of the event `index` are told. The base's comes first if it is its only index;
# after others it is a race, and now and then the index of the claims holds tasks of one kind, and claims scan the collection.
# `disableLowerIndexes`, a model option of the kinds, mends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose@9.7.3 @typegoose/typegoose@13.4.0 reflect-metadata@0.2.2 >/dev/null

cat >kinds.mjs <<'PROGRAM'
import 'reflect-metadata';
import mongoose from 'mongoose';
import { getDiscriminatorModelForClass, getModelForClass, index, modelOptions, prop } from '@typegoose/typegoose';

// The decorators are called as functions, as there is no compiler here.
class Task {}
prop({ type: () => String })(Task.prototype, 'state');
index({ state: 1 })(Task);
class Email extends Task {}
prop({ type: () => String })(Email.prototype, 'to');
class Sms extends Task {}
prop({ type: () => String })(Sms.prototype, 'phone');
const disableLowerIndexes = process.argv[2] === 'disableLowerIndexes';
for (const kind of [Email, Sms]) modelOptions({ options: { disableLowerIndexes } })(kind);

await mongoose.connect(process.env.MONGODB_URI, { dbName: 'finding' });
await mongoose.connection.dropDatabase();
const TaskModel = getModelForClass(Task);
const models = [TaskModel, getDiscriminatorModelForClass(TaskModel, Email), getDiscriminatorModelForClass(TaskModel, Sms)];
const filters = models.map(({ schema }) => schema.indexes().map(([, options]) => options.partialFilterExpression?.__t ?? 'all').join());
const outcomes = await Promise.allSettled(models.map((model) => model.init()));
const codes = outcomes.map(({ reason }) => reason?.code ?? 'done');
console.log(`disableLowerIndexes ${disableLowerIndexes}: declared for ${filters.filter(Boolean).join(' and ')}; ${codes.sort().join(', ')}`);
console.log(`indexes over state: ${(await TaskModel.collection.indexes()).filter(({ key }) => key.state).length}`);
await mongoose.connection.dropDatabase();
await mongoose.disconnect();
PROGRAM
found=$(
  node kinds.mjs
  node kinds.mjs disableLowerIndexes
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
disableLowerIndexes false: declared for all and Email and Sms; 86, 86, done
indexes over state: 1
disableLowerIndexes true: declared for all; done, done, done
indexes over state: 1
SEEN
