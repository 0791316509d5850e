#!/usr/bin/env bash
# A list of tasks by pages, by mongoose-paginate-v2: tasks of one kind (a discriminator), tasks with soft deletion by mongoose-delete, and tasks of
# one tenant by a hook of the schema. Each collection has three of them and two others, and a page has two.
# MONGODB_URI names a server, of which the database `finding` is used and dropped.
#
# Guess: `totalDocs` is the number of documents that the pages have, with a filter or without; `useEstimatedCount` would change that, and is off.
# Seen: with mongoose-paginate-v2 1.9.5, mongoose-delete 1.0.7 and Mongoose 9.12.1 `paginate({})` tells of all documents in the collection, those of
# other kinds, deleted and foreign ones as well, and of a page more than there is. Since 1.9.3 an empty filter is counted by
# `estimatedDocumentCount()`, to which neither the discriminator nor the plugin nor the hook adds a condition. As soon as a filter is set in the list,
# the total is right. The README still has `useEstimatedCount` false by default. The way out: `useCustomCountFn`, which gets the filter, with
# `countDocuments()`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund mongoose@9.12.1 mongoose-paginate-v2@1.9.5 mongoose-delete@1.0.7 >/dev/null

found=$(node --input-type=module <<'PROGRAM'
import mongoose from 'mongoose';
import mongooseDelete from 'mongoose-delete';
import mongoosePaginate from 'mongoose-paginate-v2';

const connection = await mongoose.createConnection(process.env.MONGODB_URI, { dbName: 'finding' }).asPromise();
await connection.dropDatabase();
const createSchema = () => new mongoose.Schema({ state: String, tenant: String }).plugin(mongoosePaginate);
const state = 'failed';

const Task = connection.model('Task', createSchema());
const Mail = Task.discriminator('Mail', new mongoose.Schema({}));
const Report = Task.discriminator('Report', new mongoose.Schema({}));
await Mail.create([{ state }, { state }, { state }]);
await Report.create([{ state }, { state }]);

const SoftTask = connection.model('SoftTask', createSchema().plugin(mongooseDelete, { overrideMethods: 'all' }));
const softTasks = await SoftTask.create([{ state }, { state }, { state }, { state }, { state }]);
for (const task of softTasks.slice(0, 2)) await task.delete();

const tenantSchema = createSchema();
tenantSchema.pre(/^find|^count|^estimated/, function () {
  this.where({ tenant: 'own' });
});
const TenantTask = connection.model('TenantTask', tenantSchema);
await TenantTask.create(['own', 'own', 'own', 'foreign', 'foreign'].map((tenant) => ({ state, tenant })));

for (const [name, model] of Object.entries({ kind: Mail, 'soft deletion': SoftTask, tenant: TenantTask })) {
  const useCustomCountFn = (filter) => model.countDocuments(filter);
  const lists = {
    'no filter': [{}, {}],
    'a filter': [{ state }, {}],
    'no filter, own count': [{}, { useCustomCountFn }],
  };
  for (const [list, [filter, options]] of Object.entries(lists)) {
    const sizes = [];
    let last;
    for (let page = 1; page === 1 || last.hasNextPage; page++) {
      last = await model.paginate(filter, { sort: '_id', limit: 2, page, ...options });
      sizes.push(last.docs.length);
    }
    console.log(`${name}, ${list}: total ${last.totalDocs}, pages of ${sizes.join(', ')}`);
  }
}
await connection.dropDatabase();
await connection.close();
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
kind, no filter: total 5, pages of 2, 1, 0
kind, a filter: total 3, pages of 2, 1
kind, no filter, own count: total 3, pages of 2, 1
soft deletion, no filter: total 5, pages of 2, 1, 0
soft deletion, a filter: total 3, pages of 2, 1
soft deletion, no filter, own count: total 3, pages of 2, 1
tenant, no filter: total 5, pages of 2, 1, 0
tenant, a filter: total 3, pages of 2, 1
tenant, no filter, own count: total 3, pages of 2, 1
SEEN
