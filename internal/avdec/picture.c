#include "picture.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include <malloc.h>
#include <stdio.h>

#ifdef __GLIBC__
// Go opens, reads and closes a file on whichever threads it has, and glibc gives
// threads heaps of their own, up to eight a core. A looped video then visits one
// heap after the other and leaves its largest decoder's worth in each: memory
// that is not lost but grows for an hour. One heap for all stays where it is;
// what is allocated while frames flow is too little to queue for it. It has to
// be said before the first thread asks for memory.
__attribute__((constructor)) static void one_heap(void) { mallopt(M_ARENA_MAX, 1); }
#endif

int dv_fail(char *err, size_t len, const char *what, int code) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code < 0) av_strerror(code, text, sizeof text);
    snprintf(err, len, "%s%s%s", what, code < 0 ? ": " : "", text);
    return -1;
}

void dv_strict(AVCodecContext *c, int64_t max_pixels) {
    c->max_pixels = max_pixels;
    // A picture with errors in it is to be an error, not a concealed picture.
    c->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
}

int dv_is_key(const AVFrame *f) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return (f->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return f->key_frame;
#endif
}

int dv_is_damaged(const AVFrame *f) { return (f->flags & AV_FRAME_FLAG_CORRUPT) || f->decode_error_flags; }

// The conversion is the one that OpenCV's reader makes (bicubic flag, swscale's
// default matrix): networks are trained and compared on such pictures.
int dv_to_bgr(dv_converter *c, const AVFrame *f, uint8_t *dst, int step, char *err, size_t len) {
    c->scale = sws_getCachedContext(c->scale, f->width, f->height, f->format, f->width, f->height, AV_PIX_FMT_BGR24, SWS_BICUBIC, NULL, NULL, NULL);
    if (!c->scale) return dv_fail(err, len, "its pixel format cannot be converted", 0);
    // swscale's vector code writes whole blocks of pixels.
    if (f->width % 32 == 0) {
        uint8_t *planes[4] = {dst};
        int steps[4] = {step};
        return sws_scale(c->scale, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes, steps) == f->height ? 0 : dv_fail(err, len, "its picture cannot be converted", 0);
    }
    if (c->rows_width != f->width || c->rows_height != f->height) {
        av_freep(&c->rows[0]);
        c->rows_width = c->rows_height = 0;
        int code = av_image_alloc(c->rows, c->row_step, f->width + 64, f->height, AV_PIX_FMT_BGR24, 64);
        if (code < 0) return dv_fail(err, len, "out of memory", 0);
        c->rows_width = f->width;
        c->rows_height = f->height;
    }
    if (sws_scale(c->scale, (const uint8_t *const *)f->data, f->linesize, 0, f->height, c->rows, c->row_step) != f->height)
        return dv_fail(err, len, "its picture cannot be converted", 0);
    av_image_copy_plane(dst, step, c->rows[0], c->row_step[0], f->width * 3, f->height);
    return 0;
}

int dv_to_gray(const AVFrame *f, uint8_t *dst, char *err, size_t len) {
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    // One byte of luma a pixel, in a plane of its own.
    int plain = d && !(d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM)) &&
                d->comp[0].plane == 0 && d->comp[0].step == 1 && d->comp[0].depth == 8;
    if (!plain) return dv_fail(err, len, "its luma is not of 8 bits in a plane of its own", 0);
    av_image_copy_plane(dst, f->width, f->data[0], f->linesize[0], f->width, f->height);
    return 0;
}

void dv_converter_free(dv_converter *c) {
    sws_freeContext(c->scale);
    c->scale = NULL;
    av_freep(&c->rows[0]);
}
