// Package quantize makes a network compute in 8 bits: values are unsigned codes
// with a scale and a zero, one for the whole value; weights are signed codes with
// a scale for each filter (Jacob et al. 2018, arXiv:1712.05877). It needs
// pictures, but no labels and no training.
//
// Invariants:
//   - The network that is given is never changed.
//   - A plan depends on the network, the pictures and the options alone, not on
//     GOMAXPROCS: sums over pictures are in the pictures' order.
//   - 0 is a code of every value, since padding is made of zeros.
//   - No product of codes and no bias overflows the 32 bits that engines sum in.
//     With reduced weights no sum of two products overflows 16 bits, in which
//     AVX2's vpmaddubsw saturates: 2*255*64 < 2^15.
//   - What a plan simulates is what an engine computes, to rounding of ties.
package quantize
