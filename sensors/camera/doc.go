// Package camera is a camera that can be told to misbehave: a real RTSP server
// that serves a film in a loop, with right times, and with faults on command.
//
// Invariants:
//   - A camera runs whether or not anybody watches, as real ones do: its frame
//     numbers, times and faults do not depend on its clients.
//   - Each camera is one goroutine, and for a while one more that makes another
//     encoding of the film ready, so that the stream does not wait; [Server.Close] and [Server.Kill] stop it and
//     wait. Whatever was made in temporary files is removed then.
//   - RTP timestamps never run backwards in the order of presentation, also
//     where the film begins again, unless a fault has them jump. One clock, the camera's, decides when a frame
//     is taken, its RTP timestamp and the NTP time of sender reports; none of
//     them depends on when packets really left.
//   - A frame is never sent before it is taken; with B-frames it is sent later by
//     as much as the order of decoding needs.
//   - Seed, camera and the packet's number decide whether a packet meets a fault;
//     each kind of fault draws by itself, so changing one moves no other. The
//     same film, seed and faults give the same packets.
//   - Each packet is counted once by what became of it: sent, lost, lost in a
//     burst, or overflowed.
//   - Memory is bounded: one picture of the film at a time, and the packets that
//     the link holds back. So are temporary files: encodings that cameras show,
//     two each, and a few besides.
//   - The password is in no address, error or log.
package camera
