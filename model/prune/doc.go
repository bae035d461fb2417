// Package prune makes networks smaller by removing whole channels. It says
// which channels of a network can only leave together, masks them, and removes
// them, after which the file is smaller and any engine has less to do. Which
// channels are worth least is not decided here. [Sparsify] is the baseline to
// compare with: single weights set to zero, which saves nothing but space in a
// compressed file.
//
// Each channel of each layer's value is a node; what forces two channels to
// leave together ties them. A class of tied channels is a unit, and units that
// have as many channels in the same layers form a [Group]: the hidden width of
// one inverted residual, the stream of one stage of shortcuts. This is the
// dependency graph of Fang et al. 2023 (DepGraph, arXiv:2301.12900) by channels
// instead of by layers.
//
// What ties channels:
//   - Layers that work on each channel alone (pooling, upsampling, activation,
//     normalisation, identity, a part or a joint along another axis than the
//     channels') tie channel c of what they read to channel c of their value.
//   - Add and Mul tie channel c of all their operands and of their value.
//     Operands that are broadcast over the channels tie nothing.
//   - Concat and Slice along the channels tie each channel to where it goes.
//     Equal parts stay equal: a Slice that takes one of n equal parts (darknet's
//     route with groups, a Split of ONNX) ties the channels at the same position
//     of every part. Other slices get another Start and Count instead.
//   - A convolution in groups of several channels and several filters keeps its
//     number of groups: the channels at the same position of every group are
//     tied, and so are its filters. Where a group has one channel (depthwise,
//     with any multiplier) or one filter, the whole group leaves: its channels
//     and filters are tied.
//   - Nothing else ties a convolution's filters to its channels.
//
// Invariants:
//   - Never removed are channels of inputs, of outputs, and of what a head, a
//     Softmax, a Dense, a MatMul or a Generic reads or gives. [Group].Fixed says
//     why.
//   - Every channel of an image is in exactly one unit, and every unit in exactly
//     one group.
//   - Of every group at least one unit stays.
//   - Removal and masking change the same function: [Structure.Remove] gives a
//     network whose outputs are, to rounding, those of one after
//     [Structure.Mask]. Whatever a removed channel carries, it no longer
//     contributes to any value that stays.
//   - Removal keeps the names, the number and the order of layers.
//   - Everything here depends on the network and the choice alone: the same order
//     of groups and units, the same bytes.
package prune
