// The compressed packets of a file, without decoding them.
#ifndef DASHLINE_AVDEC_PACKETS_H
#define DASHLINE_AVDEC_PACKETS_H

#include <stddef.h>
#include <stdint.h>

typedef struct dp_packets dp_packets;

typedef struct {
    int width, height;
    double fps;     // nominal; 0 where unknown
    int64_t frames; // as the container counts them; 0 where it does not
    char codec[32];
} dp_facts;

typedef struct {
    const uint8_t *data; // until the next call
    int size;
    int64_t pts_ns, dts_ns; // from the stream's start; INT64_MIN where unknown
    int64_t duration_ns;    // 0 where unknown
    int key;
} dp_packet;

enum { DP_PACKET = 1, DP_END = 0, DP_CUT = -1, DP_BROKEN = -2 };

// dp_open returns 0, or -1 with the reason in err.
int dp_open(const char *path, dp_packets **out, dp_facts *facts, char *err, size_t err_len);

// dp_next gives the next packet in the order of decoding: DP_PACKET, DP_END,
// DP_CUT where the file cannot be read on, or DP_BROKEN with the reason in err.
int dp_next(dp_packets *p, int max_size, dp_packet *out, char *err, size_t err_len);

// dp_rewind goes back to the first packet: 0, or -1 with the reason in err.
int dp_rewind(dp_packets *p, char *err, size_t err_len);

void dp_close(dp_packets *p);

#endif
