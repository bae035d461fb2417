#include "decoder.h"
#include "picture.h"

#include <libavutil/log.h>
#include <libavutil/mem.h>

#include <string.h>

struct dv_decoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    dv_converter converter;
    uint8_t *data; // the packet's, with the padding that the decoder reads into
    size_t room;
};

int dv_decoder_open(const char *name, int64_t max_pixels, dv_decoder **out, char *err, size_t len) {
    av_log_set_level(AV_LOG_QUIET);
    *out = NULL;
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    if (!codec) return dv_fail(err, len, "this FFmpeg has no decoder for it", 0);
    dv_decoder *d = av_mallocz(sizeof *d);
    if (!d) return dv_fail(err, len, "out of memory", 0);
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->codec || !d->packet || !d->frame) {
        dv_decoder_close(d);
        return dv_fail(err, len, "out of memory", 0);
    }
    dv_strict(d->codec, max_pixels);
    // Threads for frames would hold each back until the next have come, and with
    // threads for slices FFmpeg does not look for errors in them.
    d->codec->thread_count = 1;
    int code = avcodec_open2(d->codec, codec, NULL);
    if (code < 0) {
        dv_decoder_close(d);
        return dv_fail(err, len, "its decoder does not open", code);
    }
    *out = d;
    return 0;
}

static int room_for(dv_decoder *d, size_t size) {
    if (size <= d->room) return 0;
    size_t room = size + size / 2;
    uint8_t *data = av_realloc(d->data, room + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!data) return -1;
    d->data = data;
    d->room = room;
    return 0;
}

int dv_decoder_send(dv_decoder *d, const uint8_t *data, size_t size, int64_t id, char *err, size_t len) {
    int code;
    if (data) {
        if (room_for(d, size) < 0) {
            dv_fail(err, len, "out of memory", 0);
            return DV_MEMORY;
        }
        memcpy(d->data, data, size);
        memset(d->data + size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
        d->packet->data = d->data;
        d->packet->size = (int)size;
        d->packet->pts = id;
        code = avcodec_send_packet(d->codec, d->packet);
    } else {
        code = avcodec_send_packet(d->codec, NULL);
    }
    if (code == AVERROR(ENOMEM)) {
        dv_fail(err, len, "out of memory", 0);
        return DV_MEMORY;
    }
    if (code >= 0) return 0;
    dv_fail(err, len, "the decoder refuses it", code);
    return DV_BAD;
}

int dv_decoder_receive(dv_decoder *d, dv_decoded *p, char *err, size_t len) {
    memset(p, 0, sizeof *p);
    av_frame_unref(d->frame);
    int code = avcodec_receive_frame(d->codec, d->frame);
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return DV_MORE;
    if (code == AVERROR(ENOMEM)) {
        dv_fail(err, len, "out of memory", 0);
        return DV_MEMORY;
    }
    if (code < 0) {
        dv_fail(err, len, "the decoder gives up on it", code);
        return DV_BAD;
    }
    p->width = d->frame->width;
    p->height = d->frame->height;
    p->id = d->frame->pts;
    p->damaged = dv_is_damaged(d->frame);
    return DV_DECODED;
}

void dv_decoder_reset(dv_decoder *d) { avcodec_flush_buffers(d->codec); }

int dv_decoder_delay(const dv_decoder *d) { return d->codec->has_b_frames; }

int dv_decoder_bgr(dv_decoder *d, uint8_t *dst, int step, char *err, size_t len) {
    return dv_to_bgr(&d->converter, d->frame, dst, step, err, len);
}

void dv_decoder_close(dv_decoder *d) {
    if (!d) return;
    dv_converter_free(&d->converter);
    av_frame_free(&d->frame);
    if (d->packet) d->packet->data = NULL; // it is ours
    av_packet_free(&d->packet);
    avcodec_free_context(&d->codec);
    av_freep(&d->data);
    av_free(d);
}
