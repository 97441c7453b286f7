/** The contract under the name by which a node imports it: packing puts the product's own in its place. */
export * from '../../../nodes/contract.ts';
