#include "file.h"
#include "picture.h"

#include <libavutil/avstring.h>

int dv_open_file(const char *path, AVFormatContext **format, AVStream **stream, char *err, size_t len) {
    // "file:" and the whitelist keep a playlist or a crafted name from reaching
    // anything but files.
    char *url = av_asprintf("file:%s", path);
    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    int code = url ? avformat_open_input(format, url, NULL, &options) : AVERROR(ENOMEM);
    av_dict_free(&options);
    av_free(url);
    if (code < 0) return dv_fail(err, len, "it is not a video that FFmpeg can read, or it is cut off before its index", code);
    if ((code = avformat_find_stream_info(*format, NULL)) < 0) return dv_fail(err, len, "its streams cannot be read", code);
    int best = av_find_best_stream(*format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (best < 0) return dv_fail(err, len, "there is no video in it", 0);
    *stream = (*format)->streams[best];
    return 0;
}
