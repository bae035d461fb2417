// Package prune makes networks smaller by removing whole channels. [Analyze] says
// which channels of a network can only leave together; a choice of them is masked
// or removed, after which the file is smaller and any engine has less to do.
// [Shrink] chooses by unlabelled pictures and fits what is left to what the
// network made of them. [Sparsify] is the baseline to compare with: single weights
// set to zero, which saves nothing but space in a compressed file.
//
// Shrink needs no training. It goes in steps; each
//   - orders the channels of every group by what the layers that read them lose
//     with them after the weights that stay have made up for it (optimal brain
//     surgeon, Hassibi and Stork 1993; for layers, Dong et al. 2017,
//     arXiv:1705.07565). The stream of linear bottlenecks is first written in the
//     basis in which its last channels hardly matter (as Ashkboos et al. 2024 do
//     for transformers, arXiv:2401.15024);
//   - measures what cuts of each group alone cost the network's outputs on pictures
//     that nothing is fitted to, and takes those that cost least for what they save,
//     until the step is done;
//   - fits the weights that stay, layer after layer and on the smaller network's own
//     values, to what the network as it came gave there (He et al. 2017,
//     arXiv:1707.06168), with a pull towards the weights that are best where only
//     this layer's inputs left.
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
//   - Everything here depends on the arguments alone, whatever GOMAXPROCS is: the
//     same order of groups and units, the same bytes.
package prune
