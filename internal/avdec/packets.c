#include "packets.h"
#include "file.h"
#include "picture.h"

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include <stdio.h>
#include <string.h>

struct dp_packets {
    AVFormatContext *format;
    AVStream *stream;
    AVBSFContext *filter;
    AVPacket *packet;
    int64_t first; // dts of the first packet, AV_NOPTS_VALUE before it is read
};

// open_filter makes Annex B of what MP4 and Matroska hold, with the parameter
// sets before key frames; what is Annex B already goes through as it is.
static int open_filter(dp_packets *p, char *err, size_t len) {
    const char *name = NULL;
    if (p->stream->codecpar->codec_id == AV_CODEC_ID_H264) name = "h264_mp4toannexb";
    if (p->stream->codecpar->codec_id == AV_CODEC_ID_HEVC) name = "hevc_mp4toannexb";
    int code;
    if (name) {
        const AVBitStreamFilter *filter = av_bsf_get_by_name(name);
        if (!filter) {
            snprintf(err, len, "this FFmpeg has no filter %s", name);
            return -1;
        }
        code = av_bsf_alloc(filter, &p->filter);
    } else {
        code = av_bsf_get_null_filter(&p->filter);
    }
    if (code >= 0) code = avcodec_parameters_copy(p->filter->par_in, p->stream->codecpar);
    if (code < 0) return dv_fail(err, len, "out of memory", 0);
    p->filter->time_base_in = p->stream->time_base;
    if ((code = av_bsf_init(p->filter)) < 0) return dv_fail(err, len, "its stream makes no sense", code);
    return 0;
}

int dp_open(const char *path, dp_packets **out, dp_facts *facts, char *err, size_t len) {
    av_log_set_level(AV_LOG_QUIET); // errors are returned; a log would break the status line
    dp_packets *p = av_mallocz(sizeof *p);
    *out = NULL;
    if (!p) return dv_fail(err, len, "out of memory", 0);
    p->first = AV_NOPTS_VALUE;
    if (!(p->packet = av_packet_alloc())) dv_fail(err, len, "out of memory", 0);
    if (!p->packet || dv_open_file(path, &p->format, &p->stream, err, len) < 0 || open_filter(p, err, len) < 0) {
        dp_close(p);
        return -1;
    }
    for (unsigned i = 0; i < p->format->nb_streams; i++)
        if (p->format->streams[i] != p->stream) p->format->streams[i]->discard = AVDISCARD_ALL;
    memset(facts, 0, sizeof *facts);
    facts->width = p->stream->codecpar->width;
    facts->height = p->stream->codecpar->height;
    facts->fps = av_q2d(av_guess_frame_rate(p->format, p->stream, NULL));
    facts->frames = p->stream->nb_frames;
    snprintf(facts->codec, sizeof facts->codec, "%s", avcodec_get_name(p->stream->codecpar->codec_id));
    *out = p;
    return 0;
}

// nanoseconds is a time stamp of the stream from its start.
static int64_t nanoseconds(const dp_packets *p, int64_t t) {
    static const AVRational ns = {1, 1000000000};
    if (t == AV_NOPTS_VALUE) return INT64_MIN;
    int64_t start = p->stream->start_time == AV_NOPTS_VALUE ? 0 : p->stream->start_time;
    return av_rescale_q(t - start, p->stream->time_base, ns);
}

static int give(dp_packets *p, int max_size, dp_packet *out, char *err, size_t len) {
    static const AVRational ns = {1, 1000000000};
    const AVPacket *k = p->packet;
    if (k->size > max_size) {
        snprintf(err, len, "a packet of %d bytes, and %d are allowed", k->size, max_size);
        return DP_BROKEN;
    }
    out->data = k->data;
    out->size = k->size;
    out->pts_ns = nanoseconds(p, k->pts);
    out->dts_ns = nanoseconds(p, k->dts);
    out->duration_ns = k->duration > 0 ? av_rescale_q(k->duration, p->stream->time_base, ns) : 0;
    out->key = (k->flags & AV_PKT_FLAG_KEY) != 0;
    return DP_PACKET;
}

int dp_next(dp_packets *p, int max_size, dp_packet *out, char *err, size_t len) {
    memset(out, 0, sizeof *out);
    for (;;) {
        av_packet_unref(p->packet);
        int code = av_bsf_receive_packet(p->filter, p->packet);
        if (code == 0 && p->packet->size > 0) return give(p, max_size, out, err, len);
        if (code == AVERROR_EOF) return DP_END;
        if (code < 0 && code != AVERROR(EAGAIN)) {
            dv_fail(err, len, "a packet of it makes no sense", code);
            return DP_BROKEN;
        }
        if (code == 0) continue; // empty
        code = av_read_frame(p->format, p->packet);
        if (code == AVERROR_EOF && !(p->format->pb && p->format->pb->error < 0)) {
            av_bsf_send_packet(p->filter, NULL);
            continue;
        }
        if (code < 0) return DP_CUT;
        if (p->packet->stream_index != p->stream->index) continue;
        if (p->first == AV_NOPTS_VALUE) p->first = p->packet->dts;
        if ((code = av_bsf_send_packet(p->filter, p->packet)) < 0) {
            dv_fail(err, len, "a packet of it makes no sense", code);
            return DP_BROKEN;
        }
    }
}

int dp_rewind(dp_packets *p, char *err, size_t len) {
    av_packet_unref(p->packet);
    av_bsf_flush(p->filter);
    int64_t to = p->first == AV_NOPTS_VALUE ? 0 : p->first;
    int code = avformat_seek_file(p->format, p->stream->index, INT64_MIN, to, INT64_MAX, 0);
    if (code < 0) code = avformat_seek_file(p->format, -1, 0, 0, 0, AVSEEK_FLAG_BYTE);
    return code < 0 ? dv_fail(err, len, "it cannot be read from its start again", code) : 0;
}

void dp_close(dp_packets *p) {
    if (!p) return;
    av_bsf_free(&p->filter);
    av_packet_free(&p->packet);
    avformat_close_input(&p->format);
    av_free(p);
}
