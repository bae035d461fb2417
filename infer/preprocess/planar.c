#include "planar.h"

// One build runs everywhere and still uses AVX2 where the processor has it: the
// loader picks the clone. Without it splitting three interleaved channels costs
// several times as much.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

// Splitting bytes first and converting each plane after keeps both loops simple
// enough to be vectorised whole; a block of a row stays in the first cache.
enum { BLOCK = 1024 };

CLONES
static void row(const uint8_t *restrict src, int n, int first, const float *restrict mean, const float *restrict scale,
                float *restrict d0, float *restrict d1, float *restrict d2) {
    uint8_t a[BLOCK], b[BLOCK], c[BLOCK];
    const int last = 2 - first;
    for (int start = 0; start < n; start += BLOCK) {
        const int len = n - start < BLOCK ? n - start : BLOCK;
        const uint8_t *s = src + 3 * (size_t)start;
        for (int i = 0; i < len; i++) {
            a[i] = s[3 * i];
            b[i] = s[3 * i + 1];
            c[i] = s[3 * i + 2];
        }
        const uint8_t *x0 = first == 0 ? a : c, *x2 = last == 0 ? a : c;
        const float m0 = mean[0], m1 = mean[1], m2 = mean[2], s0 = scale[0], s1 = scale[1], s2 = scale[2];
        for (int i = 0; i < len; i++) d0[start + i] = ((float)x0[i] - m0) * s0;
        for (int i = 0; i < len; i++) d1[start + i] = ((float)b[i] - m1) * s1;
        for (int i = 0; i < len; i++) d2[start + i] = ((float)x2[i] - m2) * s2;
    }
}

static void fill(float *dst, size_t n, float value) {
    for (size_t i = 0; i < n; i++) dst[i] = value;
}

void dp_planar(const uint8_t *src, size_t step, const dp_plan *p, float *dst) {
    const size_t plane = (size_t)p->net_width * p->net_height;
    const int right = p->left + p->width, bottom = p->top + p->height;
    for (int c = 0; c < 3; c++) {
        float *d = dst + c * plane;
        fill(d, (size_t)p->top * p->net_width, p->pad[c]);
        fill(d + (size_t)bottom * p->net_width, (size_t)(p->net_height - bottom) * p->net_width, p->pad[c]);
        if (p->width == p->net_width) continue;
        for (int y = p->top; y < bottom; y++) {
            float *line = d + (size_t)y * p->net_width;
            fill(line, p->left, p->pad[c]);
            fill(line + right, p->net_width - right, p->pad[c]);
        }
    }
    for (int y = 0; y < p->height; y++) {
        float *d = dst + (size_t)(p->top + y) * p->net_width + p->left;
        row(src + y * step, p->width, p->first, p->mean, p->scale, d, d + plane, d + 2 * plane);
    }
}
