// Package bench measures the whole pipeline: what a frame costs beyond decoding
// and the engine's own forward, what the way over RTSP adds to its age, what
// cameras cost beside ffmpeg, and what a long run leaves behind.
//
// Machines are shared and noisy, so nothing here asserts on a time. What is
// compared is measured in one run, turn and turn about, and reported as a ratio.
package bench
