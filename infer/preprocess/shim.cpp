#include "planar.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <cstring>
#include <exception>
#include <new>

struct dp_scratch {
    cv::Mat resized;
};

static void say(char *dst, size_t len, const char *text) {
    if (len == 0) return;
    std::strncpy(dst, text, len - 1);
    dst[len - 1] = 0;
}

extern "C" {

dp_scratch *dp_new(void) { return new (std::nothrow) dp_scratch; }
void dp_free(dp_scratch *s) { delete s; }

int dp_check(const void *mat, int what[4]) {
    const cv::Mat *m = static_cast<const cv::Mat *>(mat);
    if (!m || m->empty() || m->dims != 2) return DP_EMPTY;
    what[0] = m->cols;
    what[1] = m->rows;
    what[2] = int(m->elemSize1()) * 8;
    what[3] = m->channels();
    return m->type() == CV_8UC3 ? DP_OK : DP_TYPE;
}

int dp_run(dp_scratch *s, const void *mat, const dp_plan *p, float *dst, char *err, size_t err_len) {
    try {
        const cv::Mat *m = static_cast<const cv::Mat *>(mat);
        if (m->cols != p->width || m->rows != p->height) {
            cv::resize(*m, s->resized, cv::Size(p->width, p->height), 0, 0, cv::INTER_LINEAR);
            m = &s->resized;
        }
        dp_planar(m->ptr(), m->step[0], p, dst);
        return 0;
    } catch (const cv::Exception &e) {
        say(err, err_len, e.err.c_str());
    } catch (const std::exception &e) {
        say(err, err_len, e.what());
    } catch (...) {
        say(err, err_len, "unknown C++ exception");
    }
    return 1;
}

} // extern "C"
