#include "writer.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>

#include <stdio.h>

struct dw_writer {
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    int64_t periods; // that the next picture is shown after
};

static int fail(char *err, size_t len, const char *what, int code) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code < 0) av_strerror(code, text, sizeof text);
    snprintf(err, len, "%s%s%s", what, code < 0 ? ": " : "", text);
    return DW_FAILED;
}

static const char *const encoders[] = {[DW_H264] = "libx264", [DW_H265] = "libx265", [DW_MJPEG] = "mjpeg"};

// set_options sets what each encoder calls by its own name.
static int set_options(AVCodecContext *c, const dw_options *o) {
    char text[96];
    if (o->codec == DW_MJPEG) {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = FF_QP2LAMBDA * (o->crf / 4 < 2 ? 2 : o->crf / 4);
        return av_opt_set(c->priv_data, "huffman", "default", 0); // the tables that RTP takes for granted
    }
    int code = av_opt_set(c->priv_data, "preset", o->preset, 0);
    snprintf(text, sizeof text, "%d", o->crf);
    if (code >= 0) code = av_opt_set(c->priv_data, "crf", text, 0);
    if (code >= 0) code = av_opt_set(c->priv_data, "forced-idr", "1", 0); // a key frame that is asked for is a whole one
    if (code >= 0 && o->codec == DW_H265) {
        // Key frames that nothing refers across, and as many threads as were asked
        // for; its log would break the status line.
        const char *cuts = o->no_scenecut ? ":scenecut=0" : "";
        if (o->threads == 1)
            snprintf(text, sizeof text, "log-level=none:open-gop=0:frame-threads=1:pools=none%s", cuts);
        else
            snprintf(text, sizeof text, "log-level=none:open-gop=0:frame-threads=1:pools=%d%s", o->threads, cuts);
        code = av_opt_set(c->priv_data, "x265-params", text, 0);
    }
    if (code >= 0 && o->codec == DW_H264 && o->no_scenecut) code = av_opt_set(c->priv_data, "sc_threshold", "0", 0);
    // x264 164's macroblock tree with AVX-512 reads beyond its rows unless the
    // width is a multiple of 128, so what was in memory before would decide the
    // bytes. Without it they are the same whatever vector code a machine has.
    if (code >= 0 && o->codec == DW_H264) code = av_opt_set(c->priv_data, "mbtree", "0", 0);
    return code;
}

static int open_codec(dw_writer *w, const dw_options *o, char *err, size_t len) {
    const AVCodec *codec = avcodec_find_encoder_by_name(encoders[o->codec]);
    if (!codec) return DW_NO_ENCODER;
    AVCodecContext *c = w->codec = avcodec_alloc_context3(codec);
    if (!c) return fail(err, len, "out of memory", 0);
    c->width = o->width;
    c->height = o->height;
    c->pix_fmt = o->codec == DW_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    c->framerate = av_d2q(o->fps, 1001000);
    c->time_base = av_inv_q(c->framerate);
    c->gop_size = o->keyframes;
    if (o->bframes >= 0) c->max_b_frames = o->bframes;
    if (o->slices > 1) c->slices = o->slices;
    c->thread_count = o->threads;
    // What the conversion below makes: BT.601's matrix over sRGB's primaries,
    // limited range (full in JPEG), one chroma sample in the middle of four pixels.
    c->color_range = o->codec == DW_MJPEG ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    c->colorspace = AVCOL_SPC_SMPTE170M;
    c->color_primaries = AVCOL_PRI_BT709;
    c->color_trc = AVCOL_TRC_BT709;
    c->chroma_sample_location = AVCHROMA_LOC_CENTER;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
    int code = set_options(c, o);
    if (code >= 0) code = avcodec_open2(c, codec, NULL);
    return code < 0 ? fail(err, len, "the encoder does not start", code) : DW_OK;
}

static int open_file(dw_writer *w, const char *path, char *err, size_t len) {
    char *url = av_asprintf("file:%s", path); // whatever is in the name, it is a file
    if (!url) return fail(err, len, "out of memory", 0);
    int code = avformat_alloc_output_context2(&w->format, NULL, "mp4", url);
    if (code >= 0) code = avio_open(&w->format->pb, url, AVIO_FLAG_WRITE);
    av_free(url);
    if (code < 0) return fail(err, len, "the file cannot be opened", code);
    w->format->flags |= AVFMT_FLAG_BITEXACT; // no version, no time of day
    if (!(w->stream = avformat_new_stream(w->format, NULL))) return fail(err, len, "out of memory", 0);
    w->stream->time_base = w->codec->time_base;
    w->stream->avg_frame_rate = w->codec->framerate;
    if ((code = avcodec_parameters_from_context(w->stream->codecpar, w->codec)) < 0) return fail(err, len, "the stream makes no sense", code);
    if (w->codec->codec_id == AV_CODEC_ID_HEVC) w->stream->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1'); // what all players know
    AVDictionary *options = NULL;
    av_dict_set(&options, "movflags", "faststart", 0); // the index first: players start before all is there
    code = avformat_write_header(w->format, &options);
    av_dict_free(&options);
    return code < 0 ? fail(err, len, "the file cannot be begun", code) : DW_OK;
}

static int make_frame(dw_writer *w, char *err, size_t len) {
    w->packet = av_packet_alloc();
    w->frame = av_frame_alloc();
    if (!w->packet || !w->frame) return fail(err, len, "out of memory", 0);
    w->frame->format = w->codec->pix_fmt;
    w->frame->width = w->codec->width;
    w->frame->height = w->codec->height;
    return av_frame_get_buffer(w->frame, 0) < 0 ? fail(err, len, "out of memory", 0) : DW_OK;
}

int dw_open(const char *path, const dw_options *o, dw_writer **out, char *err, size_t len) {
    av_log_set_level(AV_LOG_QUIET); // errors are returned; a log would break the status line
    dw_writer *w = av_mallocz(sizeof *w);
    *out = NULL;
    if (!w) return fail(err, len, "out of memory", 0);
    int code = open_codec(w, o, err, len);
    if (code == DW_OK) code = open_file(w, path, err, len);
    if (code == DW_OK) code = make_frame(w, err, len);
    if (code == DW_OK)
        *out = w;
    else
        dw_close(w);
    return code;
}

// drain moves the packets that are ready from the encoder to the file.
static int drain(dw_writer *w, char *err, size_t len) {
    for (;;) {
        int code = avcodec_receive_packet(w->codec, w->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return DW_OK;
        if (code < 0) return fail(err, len, "the picture cannot be encoded", code);
        av_packet_rescale_ts(w->packet, w->codec->time_base, w->stream->time_base);
        w->packet->stream_index = w->stream->index;
        code = av_interleaved_write_frame(w->format, w->packet); // owns the packet's data from here
        if (code < 0) return fail(err, len, "the file cannot be written", code);
    }
}

// matrix makes luma and chroma of BGR, times 65536.
typedef struct {
    int yb, yg, yr, y0;          // and what luma begins at
    int ub, ug, ur, vr, vg, vb;
} matrix;

// BT.601's, in the limited range, what swscale's default matrix and so package
// avdec reads, and in the full one of JPEG. The coefficients are 65536 * 219/255
// (luma) and 65536 * 224/255 (chroma) of the matrix, or 65536 of it, rounded so
// that grey has no colour.
static const matrix limited = {6416, 33039, 16829, 16, 28784, 19070, 9714, 28784, 24103, 4681};
static const matrix full = {7471, 38470, 19595, 0, 32768, 21709, 11059, 32768, 27439, 5329};

static uint8_t clip(int v) { return v > 255 ? 255 : v; } // the full range's brightest chroma is half a step beyond

// convert writes a picture. Chroma is the mean of four pixels, since unscaled
// conversion back repeats it over the same four. Unlike swscale it is the same on
// every machine and never reads beyond the last pixel.
static void convert(AVFrame *f, const uint8_t *bgr) {
    const matrix m = f->format == AV_PIX_FMT_YUVJ420P ? full : limited;
    const int w = f->width, h = f->height;
    for (int y = 0; y < h; y += 2) {
        const uint8_t *p0 = bgr + (size_t)y * w * 3, *p1 = p0 + (size_t)w * 3;
        uint8_t *y0 = f->data[0] + (ptrdiff_t)y * f->linesize[0], *y1 = y0 + f->linesize[0];
        uint8_t *u = f->data[1] + (ptrdiff_t)(y / 2) * f->linesize[1], *v = f->data[2] + (ptrdiff_t)(y / 2) * f->linesize[2];
        for (int x = 0; x < w; x += 2, p0 += 6, p1 += 6) {
#define LUMA(p) (uint8_t)((m.yb * (p)[0] + m.yg * (p)[1] + m.yr * (p)[2] + (m.y0 << 16) + (1 << 15)) >> 16)
            y0[x] = LUMA(p0);
            y0[x + 1] = LUMA(p0 + 3);
            y1[x] = LUMA(p1);
            y1[x + 1] = LUMA(p1 + 3);
#undef LUMA
            const int b = p0[0] + p0[3] + p1[0] + p1[3], g = p0[1] + p0[4] + p1[1] + p1[4], r = p0[2] + p0[5] + p1[2] + p1[5];
            u[x / 2] = clip((m.ub * b - m.ug * g - m.ur * r + (128 << 18) + (1 << 17)) >> 18);
            v[x / 2] = clip((m.vr * r - m.vg * g - m.vb * b + (128 << 18) + (1 << 17)) >> 18);
        }
    }
}

void dw_skip(dw_writer *w, int64_t periods) { w->periods += periods; }

int dw_write(dw_writer *w, const uint8_t *bgr, int key, char *err, size_t len) {
    int code = av_frame_make_writable(w->frame); // the encoder may still hold it
    if (code < 0) return fail(err, len, "out of memory", code);
    convert(w->frame, bgr);
    w->frame->pts = w->periods++;
    w->frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    w->frame->quality = w->codec->global_quality; // MJPEG's
    if ((code = avcodec_send_frame(w->codec, w->frame)) < 0) return fail(err, len, "the picture cannot be encoded", code);
    return drain(w, err, len);
}

int dw_finish(dw_writer *w, char *err, size_t len) {
    int code = avcodec_send_frame(w->codec, NULL);
    if (code < 0) return fail(err, len, "the encoder cannot be emptied", code);
    if (drain(w, err, len) != DW_OK) return DW_FAILED;
    code = av_write_trailer(w->format);
    int closed = avio_closep(&w->format->pb);
    if (code >= 0) code = closed;
    return code < 0 ? fail(err, len, "the file cannot be finished", code) : DW_OK;
}

void dw_close(dw_writer *w) {
    if (!w) return;
    av_frame_free(&w->frame);
    av_packet_free(&w->packet);
    avcodec_free_context(&w->codec);
    if (w->format) avio_closep(&w->format->pb);
    avformat_free_context(w->format);
    av_free(w);
}
