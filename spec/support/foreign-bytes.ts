import { connect } from 'node:net';
import { once } from 'node:events';
import { mongo, type Connection } from 'mongoose';

const OP_MSG = 2_013;
const DATE = 0x09;
const LONG = 0x12;

/** In a value, a text that becomes bytes of no character; in a name, an `_bsontype` that no driver for JavaScript writes. */
export const NO_TEXT = '\u0001\u0002';
export const BSONTYPE = 'Xbsontype';
/** A name that becomes `again`, so that one document can have it twice. */
export const AGAIN = 'Xgain';
/** The pattern of a BSONRegExp with the option `i`, which becomes one that no language has. */
export const NO_PATTERN = '(no pattern';
/** A number that becomes a date which JavaScript has not. */
export const FAR_DATE = mongo.Long.fromString('9223372036854775799');

/** The bytes of a document, with what the driver would not write. */
export function foreignBytes(document: mongo.Document): Buffer {
  const bytes = Buffer.from(mongo.BSON.serialize(document));
  replaceAll(bytes, Buffer.from(NO_TEXT), Buffer.from([0xff, 0xfe]));
  replaceAll(bytes, Buffer.from(BSONTYPE), Buffer.from('_bsontype'));
  replaceAll(bytes, Buffer.from(AGAIN), Buffer.from('again'));
  replaceAll(bytes, Buffer.from(`${NO_PATTERN}\0i\0`), Buffer.from(`${NO_PATTERN}\0y\0`));
  const far = Buffer.from(FAR_DATE.toBytesLE());
  for (let at = bytes.indexOf(far); at !== -1; at = bytes.indexOf(far, at + 1)) {
    let type = at - 2;
    while (type > 0 && bytes[type] !== LONG) type--;
    bytes[type] = DATE;
  }

  return bytes;
}

function replaceAll(bytes: Buffer, from: Buffer, to: Buffer): void {
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + 1)) to.copy(bytes, at);
}

export interface ForeignProgram {
  /** Inserts a document as it is, byte by byte. Returns whether the server took it. */
  insert(collection: string, document: Buffer): Promise<boolean>;
  close(): void;
}

/** A program in another language, which writes what the driver would not, to a server without access control. */
export async function foreignProgram({ host, port, name }: Connection): Promise<ForeignProgram> {
  const socket = connect(port, host);
  await once(socket, 'connect');

  const answer = async (): Promise<mongo.Document> => {
    let received = Buffer.alloc(0);
    while (received.length < 4 || received.length < received.readInt32LE(0)) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      received = Buffer.concat([received, chunk]);
    }
    return mongo.BSON.deserialize(received.subarray(21), { validation: { utf8: false } });
  };

  return {
    async insert(collection, document) {
      const command = mongo.BSON.serialize({ insert: collection, $db: name });
      const sequence = Buffer.concat([Buffer.from('documents\0'), document]);
      const head = Buffer.alloc(21);
      head.writeInt32LE(1, 4);
      head.writeInt32LE(OP_MSG, 12);
      const size = Buffer.alloc(5);
      size[0] = 1;
      size.writeInt32LE(sequence.length + 4, 1);
      const message = Buffer.concat([head, command, size, sequence]);
      message.writeInt32LE(message.length, 0);
      socket.write(message);
      const { ok, n } = await answer();

      return ok === 1 && n === 1;
    },
    close: () => socket.destroy(),
  };
}
