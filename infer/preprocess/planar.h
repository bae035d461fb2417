// The one pass over pixels: interleaved 8-bit to planar float.
#ifndef DASHLINE_INFER_PREPROCESS_PLANAR_H
#define DASHLINE_INFER_PREPROCESS_PLANAR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int net_width, net_height;     // of the network's input
    int width, height;             // of the resized picture inside it
    int left, top;                 // where that picture starts
    int first;                     // channel of the picture that is the input's first: 0 or 2
    float mean[3], scale[3], pad[3]; // by input channel; pad is a finished value
} dp_plan;

// dp_planar writes width x height pixels of 3 interleaved bytes, rows step bytes
// apart, into the planes of dst (3 x net_height x net_width), and pad around them.
void dp_planar(const uint8_t *src, size_t step, const dp_plan *p, float *dst);

// dp_scratch holds the resized picture between frames.
typedef struct dp_scratch dp_scratch;
dp_scratch *dp_new(void); // NULL: no memory
void dp_free(dp_scratch *s);

// dp_check looks at a picture (a cv::Mat *) before anything touches it. what gets
// its width, height, bits and channels.
enum { DP_OK = 0, DP_EMPTY = 1, DP_TYPE = 2 };
int dp_check(const void *mat, int what[4]);

// dp_run resizes the picture where it has another size than the plan's and
// writes dst. Nonzero: err has the text.
int dp_run(dp_scratch *s, const void *mat, const dp_plan *p, float *dst, char *err, size_t err_len);

#ifdef __cplusplus
}
#endif
#endif
