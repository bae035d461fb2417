// Opening a file's video; C side of package avdec.
#ifndef DASHLINE_AVDEC_FILE_H
#define DASHLINE_AVDEC_FILE_H

#include <libavformat/avformat.h>

#include <stddef.h>

// dv_open_file opens a file and finds its video: 0, or -1 with the reason in
// err. What is in format then is the caller's to close, also after an error.
int dv_open_file(const char *path, AVFormatContext **format, AVStream **stream, char *err, size_t len);

#endif
