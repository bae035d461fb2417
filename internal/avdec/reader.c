#include "reader.h"
#include "file.h"
#include "picture.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct dv_reader {
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    dv_converter converter;
    int64_t max_pixels;
    int serial;
    int64_t packets; // of the stream, read so far
    int64_t bad;     // of them, as far as the decoder said
    int cut;         // the end of the file came early
    int64_t reached; // end of the latest packet of any stream, in AV_TIME_BASE
    int draining;
    int lost; // a picture was damaged: what refers to it is, too
};

// Where the index names bytes that the file does not have, it is cut off. Only
// files with an index of their own at hand (MP4, MOV, AVI, MKV) say so.
static int index_beyond_file(AVFormatContext *f, AVStream *s) {
    int64_t size = f->pb ? avio_size(f->pb) : -1;
    int n = avformat_index_get_entries_count(s);
    if (size <= 0 || n == 0) return 0;
    const AVIndexEntry *e = avformat_index_get_entry(s, n - 1);
    return e && e->pos >= 0 && e->pos + e->size > size;
}

static const uint8_t *display_matrix(AVStream *s) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100) // coded_side_data came to the parameters
    const AVPacketSideData *d = av_packet_side_data_get(s->codecpar->coded_side_data, s->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return d && d->size >= 9 * sizeof(int32_t) ? d->data : NULL;
#else
    size_t size = 0;
    const uint8_t *d = av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return size >= 9 * sizeof(int32_t) ? d : NULL;
#endif
}

static int rotation(AVStream *s) {
    const uint8_t *matrix = display_matrix(s);
    if (!matrix) return 0;
    double degrees = -av_display_rotation_get((const int32_t *)matrix); // clockwise
    if (isnan(degrees)) return 0;
    return (((int)lround(degrees / 90) % 4) + 4) % 4 * 90;
}

static int open_codec(dv_reader *r, char *err, size_t len) {
    const AVCodec *codec = avcodec_find_decoder(r->stream->codecpar->codec_id);
    if (!codec) {
        snprintf(err, len, "this FFmpeg has no decoder for %s", avcodec_get_name(r->stream->codecpar->codec_id));
        return -1;
    }
    if (!(r->codec = avcodec_alloc_context3(codec))) return dv_fail(err, len, "out of memory", 0);
    int code = avcodec_parameters_to_context(r->codec, r->stream->codecpar);
    if (code < 0) return dv_fail(err, len, "its stream makes no sense", code);
    r->codec->pkt_timebase = r->stream->time_base;
    // Threads for frames alone: with those for slices FFmpeg does not look for errors
    // in them, and shows a damaged picture as whole.
    r->codec->thread_count = r->serial ? 1 : 0; // 0: one a core
    r->codec->thread_type = FF_THREAD_FRAME;
    dv_strict(r->codec, r->max_pixels);
    if ((code = avcodec_open2(r->codec, codec, NULL)) < 0) return dv_fail(err, len, "its decoder does not open", code);
    return 0;
}

static void describe(dv_reader *r, dv_facts *f) {
    memset(f, 0, sizeof *f);
    f->width = r->codec->width;
    f->height = r->codec->height;
    f->rotation = rotation(r->stream);
    f->fps = av_q2d(av_guess_frame_rate(r->format, r->stream, NULL));
    f->frames = r->stream->nb_frames;
    f->cut = index_beyond_file(r->format, r->stream);
    snprintf(f->codec, sizeof f->codec, "%s", avcodec_get_name(r->codec->codec_id));
}

int dv_open(const char *path, int64_t max_pixels, int serial, dv_reader **out, dv_facts *facts, char *err, size_t len) {
    av_log_set_level(AV_LOG_QUIET); // errors are returned; a log would break the status line
    dv_reader *r = av_mallocz(sizeof *r);
    *out = NULL;
    if (!r) return dv_fail(err, len, "out of memory", 0);
    r->max_pixels = max_pixels;
    r->serial = serial;
    if (dv_open_file(path, &r->format, &r->stream, err, len) < 0 || open_codec(r, err, len) < 0) {
        dv_close(r);
        return -1;
    }
    r->packet = av_packet_alloc();
    r->frame = av_frame_alloc();
    if (!r->packet || !r->frame) {
        dv_close(r);
        return dv_fail(err, len, "out of memory", 0);
    }
    describe(r, facts);
    *out = r;
    return 0;
}

// judge says what is wrong with the decoded frame. After damage nothing counts
// as whole until the next key frame.
static int judge(dv_reader *r) {
    const AVFrame *f = r->frame;
    if (dv_is_key(f)) r->lost = 0;
    if (dv_is_damaged(f)) {
        r->lost = 1;
        return DV_CORRUPT;
    }
    if (r->lost) return DV_NO_REFERENCE;
    return (int64_t)f->width * f->height > r->max_pixels ? DV_TOO_LARGE : DV_WHOLE;
}

// damaged accounts for a packet that gave no picture. A decoder that fails more
// often than it was fed will not come to an end by itself.
static int damaged(dv_reader *r, dv_picture *p) {
    r->lost = 1;
    if (++r->bad > r->packets) return DV_CUT;
    p->width = p->height = 0;
    p->pts_ns = INT64_MIN;
    p->damage = DV_CORRUPT;
    return DV_PICTURE;
}

static int picture(dv_reader *r, dv_picture *p) {
    static const AVRational nanoseconds = {1, 1000000000};
    int64_t start = r->stream->start_time == AV_NOPTS_VALUE ? 0 : r->stream->start_time;
    int64_t pts = r->frame->best_effort_timestamp;
    p->width = r->frame->width;
    p->height = r->frame->height;
    p->pts_ns = pts == AV_NOPTS_VALUE ? INT64_MIN : av_rescale_q(pts - start, r->stream->time_base, nanoseconds);
    p->damage = judge(r);
    return DV_PICTURE;
}

// ends_early says that packets ended well before the end that the container
// gives: AVI by its number of frames (FFmpeg fits its duration to the file), all
// others by their duration, where it was read and not estimated.
static int ends_early(const dv_reader *r) {
    const AVFormatContext *f = r->format;
    if (!strcmp(f->iformat->name, "avi")) return r->packets + 1 < r->stream->nb_frames - r->stream->nb_frames / 50;
    if (f->duration <= 0 || f->duration_estimation_method != AVFMT_DURATION_FROM_STREAM) return 0;
    int64_t start = f->start_time == AV_NOPTS_VALUE ? 0 : f->start_time;
    return r->reached - start < f->duration - f->duration / 50 - AV_TIME_BASE / 2;
}

// note keeps how far the packets of all streams have come.
static void note(dv_reader *r) {
    const AVPacket *p = r->packet;
    int64_t at = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    if (at == AV_NOPTS_VALUE) return;
    at = av_rescale_q(at + p->duration, r->format->streams[p->stream_index]->time_base, AV_TIME_BASE_Q);
    if (at > r->reached) r->reached = at;
}

// feed gives the decoder the next packet of the stream, or its end. It returns
// 0, DV_PICTURE for a packet that is damaged, or DV_BROKEN.
static int feed(dv_reader *r, dv_picture *p, char *err, size_t len) {
    int code;
    while ((code = av_read_frame(r->format, r->packet)) >= 0) {
        note(r);
        if (r->packet->stream_index == r->stream->index) break;
        av_packet_unref(r->packet);
    }
    if (code < 0) {
        if (code != AVERROR_EOF || (r->format->pb && r->format->pb->error < 0) || ends_early(r)) r->cut = 1;
        r->draining = 1;
        avcodec_send_packet(r->codec, NULL);
        return 0;
    }
    r->packets++;
    int bad = (r->packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
    code = avcodec_send_packet(r->codec, r->packet);
    av_packet_unref(r->packet);
    if (code == AVERROR(ENOMEM)) {
        dv_fail(err, len, "out of memory", 0);
        return DV_BROKEN;
    }
    if (bad) r->lost = 1;
    return code < 0 ? damaged(r, p) : 0;
}

int dv_next(dv_reader *r, dv_picture *p, char *err, size_t len) {
    memset(p, 0, sizeof *p);
    for (;;) {
        av_frame_unref(r->frame);
        int code = avcodec_receive_frame(r->codec, r->frame);
        if (code == 0) return picture(r, p);
        if (code == AVERROR_EOF) return r->cut ? DV_CUT : DV_END;
        if (code != AVERROR(EAGAIN)) {
            if (code != AVERROR(ENOMEM)) return damaged(r, p);
            dv_fail(err, len, "out of memory", 0);
            return DV_BROKEN;
        }
        if (r->draining) return r->cut ? DV_CUT : DV_END;
        if ((code = feed(r, p, err, len)) != 0) return code;
    }
}

int dv_bgr(dv_reader *r, uint8_t *dst, int step, char *err, size_t len) { return dv_to_bgr(&r->converter, r->frame, dst, step, err, len); }

int dv_gray(dv_reader *r, uint8_t *dst, char *err, size_t len) { return dv_to_gray(r->frame, dst, err, len); }

void dv_close(dv_reader *r) {
    if (!r) return;
    dv_converter_free(&r->converter);
    av_frame_free(&r->frame);
    av_packet_free(&r->packet);
    avcodec_free_context(&r->codec);
    avformat_close_input(&r->format);
    av_free(r);
}
