// A task that waits for a business document: ship an order as soon as it is paid, whoever writes that it is.
// Run it with: npm run example -- condition
import { connect, disconnect, model, Schema } from 'mongoose';
import { DependencyType, taskQueue } from 'mongoose-task-queue';

const Order = model('Order', new Schema({ item: String, status: { type: String, default: 'new' } })); // no queue, no plugin

const Shipment = model(
  'Shipment',
  taskQueue(new Schema({ order: { type: Schema.Types.ObjectId, ref: 'Order' } }), {
    dependencies: { order: { type: DependencyType.DIRECT, when: { status: { $in: ['paid', 'free'] } } } },
  }),
);

async function main() {
  await connect(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/shop');
  for (const type of [Order, Shipment]) await type.collection.deleteMany({});

  const order = await Order.create({ item: 'lamp' });
  const shipment = await Shipment.push({ order: order._id });
  console.log('popped before the payment:', await Shipment.pop());

  const [blocked] = await shipment.blockedBy();
  console.log('it waits for:', blocked?.path, blocked?.documents[0]?.model, blocked?.documents[0]?.values);

  await Order.updateOne({ _id: order._id }, { status: 'paid' }); // by any program, in any language

  for await (const task of Shipment.queue({ populate: 'order' })) {
    console.log('shipping:', (task.order as unknown as { item: string }).item);
    await task.finish();
    break;
  }
  await disconnect();
}

void main();
