#include "shim.h"
#include "parallel.h"

#include <opencv2/core.hpp>
#include <opencv2/core/cuda.hpp>
#include <opencv2/core/ocl.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const size_t alignment = 64;

struct Aligned {
    float *data = nullptr;
    explicit Aligned(size_t n) {
        void *p = nullptr;
        if (posix_memalign(&p, alignment, n * sizeof(float)) != 0) throw std::bad_alloc();
        data = static_cast<float *>(p);
        std::memset(data, 0, n * sizeof(float));
    }
    ~Aligned() { std::free(data); }
    Aligned(const Aligned &) = delete;
    Aligned &operator=(const Aligned &) = delete;
};

void say(char *dst, size_t len, const std::string &text) {
    if (!dst || len == 0) return;
    size_t n = std::min(len - 1, text.size());
    std::memcpy(dst, text.data(), n);
    dst[n] = 0;
}

// guard runs f and turns whatever it throws into text.
template <typename F> int guard(char *err, size_t len, F f) noexcept {
    try {
        try {
            f();
            return 0;
        } catch (const cv::Exception &e) {
            say(err, len, e.func.empty() ? e.err : e.err + " (in " + e.func + ")");
        } catch (const std::bad_alloc &) {
            say(err, len, "out of memory");
        } catch (const std::exception &e) {
            say(err, len, e.what());
        } catch (...) {
            say(err, len, "unknown C++ exception");
        }
    } catch (...) { // no memory even for the text
        if (err && len) err[0] = 0;
    }
    return 1;
}

// Errors come back as text; OpenCV's own copy of them on stderr would break a
// status line. Who wants it sets OPENCV_LOG_LEVEL.
void quiet() {
    if (!std::getenv("OPENCV_LOG_LEVEL")) cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

} // namespace

struct dl_net {
    cv::dnn::Net net;
    std::unique_ptr<Aligned> input;
    cv::Mat blob; // over input
    std::vector<cv::String> names;
    std::vector<cv::Mat> outs;  // of the last forward, memory of net
    std::vector<size_t> totals; // how many values each has
    dashline::Pool pool;

    explicit dl_net(int threads) : pool(threads) {}

    void allocate_input(int width, int height) {
        input.reset(new Aligned(size_t(3) * width * height));
        const int shape[] = {1, 3, height, width};
        blob = cv::Mat(4, shape, CV_32F, input->data);
    }
};

extern "C" {

int dl_load(int format, const uint8_t *model, size_t model_len, const uint8_t *weights, size_t weights_len,
            int width, int height, int backend, int threads, size_t max_bytes, dl_net **out, char *err, size_t err_len) {
    *out = nullptr;
    return guard(err, err_len, [&] {
        quiet();
        std::unique_ptr<dl_net> n(new dl_net(threads));
        const char *m = reinterpret_cast<const char *>(model), *w = reinterpret_cast<const char *>(weights);
        if (format == DL_DARKNET) n->net = cv::dnn::readNetFromDarknet(m, model_len, w, weights_len);
        else n->net = cv::dnn::readNetFromONNX(m, model_len);
        if (n->net.empty()) throw std::runtime_error("the network has no layers");
        n->names = n->net.getUnconnectedOutLayersNames();
        if (n->names.empty()) throw std::runtime_error("the network has no outputs");

        size_t weight_bytes = 0, blob_bytes = 0;
        const cv::dnn::MatShape shape{1, 3, height, width};
        n->net.getMemoryConsumption(shape, weight_bytes, blob_bytes);
        if (weight_bytes > max_bytes || blob_bytes > max_bytes - weight_bytes)
            throw std::runtime_error("the network would need " + std::to_string((weight_bytes + blob_bytes) >> 20) +
                                     " MiB at this input size, more than the limit of " + std::to_string(max_bytes >> 20) + " MiB");

        n->allocate_input(width, height);

        bool cuda = backend == DL_CUDA || backend == DL_CUDA_FP16;
        n->net.setPreferableBackend(cuda ? cv::dnn::DNN_BACKEND_CUDA : cv::dnn::DNN_BACKEND_OPENCV);
        const int targets[] = {cv::dnn::DNN_TARGET_CPU, cv::dnn::DNN_TARGET_CUDA, cv::dnn::DNN_TARGET_CUDA_FP16, cv::dnn::DNN_TARGET_OPENCL};
        n->net.setPreferableTarget(targets[backend]);
        *out = n.release();
    });
}

void dl_free(dl_net *n) {
    guard(nullptr, 0, [&] { delete n; });
}

float *dl_input(dl_net *n) { return n->input->data; }

int dl_forward(dl_net *n, char *err, size_t err_len) {
    return guard(err, err_len, [&] {
        dashline::Use use(n->pool);
        n->net.setInput(n->blob);
        n->net.forward(n->outs, n->names);
        for (size_t i = 0; i < n->outs.size(); i++) {
            const cv::Mat &m = n->outs[i];
            if (m.type() != CV_32F || !m.isContinuous() || m.dims < 1 || m.dims > DL_MAX_DIMS || m.total() == 0)
                throw std::runtime_error("output " + n->names[i] + " is not a dense float32 tensor of 1 to 8 dimensions");
        }
        if (n->totals.empty()) // the first forward
            for (const cv::Mat &m : n->outs) n->totals.push_back(m.total());
        if (n->totals.size() != n->outs.size()) throw std::runtime_error("the number of outputs changed since opening");
        for (size_t i = 0; i < n->outs.size(); i++)
            if (n->outs[i].total() != n->totals[i])
                throw std::runtime_error("output " + n->names[i] + " has " + std::to_string(n->outs[i].total()) + " values, not " +
                                         std::to_string(n->totals[i]) + " as at opening");
    });
}

int dl_outputs(dl_net *n) { return int(n->outs.size()); }
const char *dl_output_name(dl_net *n, int i) { return n->names[i].c_str(); }

int dl_output_shape(dl_net *n, int i, int shape[DL_MAX_DIMS]) {
    const cv::Mat &m = n->outs[i];
    for (int d = 0; d < m.dims; d++) shape[d] = m.size[d];
    return m.dims;
}

const float *dl_output(dl_net *n, int i) { return n->outs[i].ptr<float>(); }

size_t dl_profile(dl_net *n, char *text, size_t len) {
    std::string s;
    guard(nullptr, 0, [&] {
        std::vector<double> ticks;
        n->net.getPerfProfile(ticks);
        const std::vector<cv::String> names = n->net.getLayerNames();
        for (size_t i = 0; i < names.size() && i < ticks.size(); i++)
            s += names[i] + "\t" + n->net.getLayer(n->net.getLayerId(names[i]))->type + "\t" +
                 std::to_string(ticks[i] * 1e6 / cv::getTickFrequency()) + "\n";
    });
    say(text, len, s);
    return s.size();
}

int dl_fact(int which, char *text, size_t len) {
    return guard(text, len, [&] {
        quiet();
        std::string s;
        switch (which) {
        case DL_VERSION: s = cv::getVersionString(); break;
        case DL_BUILD: s = cv::getBuildInformation(); break;
        case DL_CPU_FEATURES: s = cv::getCPUFeaturesLine(); break;
        case DL_OPENCL_DEVICE:
            if (cv::ocl::haveOpenCL()) {
                const cv::ocl::Device &d = cv::ocl::Device::getDefault();
                if (d.ptr()) s = d.name() + " (" + d.vendorName() + ", " + d.driverVersion() + ")";
            }
            break;
        case DL_BACKENDS:
            for (const auto &b : cv::dnn::getAvailableBackends())
                s += std::to_string(int(b.first)) + "/" + std::to_string(int(b.second)) + " ";
            break;
        case DL_CUDA_DEVICE:
            if (cv::cuda::getCudaEnabledDeviceCount() > 0) {
                cv::cuda::DeviceInfo d;
                s = std::string(d.name()) + ", compute capability " + std::to_string(d.majorVersion()) + "." + std::to_string(d.minorVersion());
            }
            break;
        }
        say(text, len, s);
    });
}

int dl_cuda_devices(void) {
    int n = 0;
    if (guard(nullptr, 0, [&] { n = cv::cuda::getCudaEnabledDeviceCount(); })) return -1;
    return n;
}

int dl_available(int backend) {
    int found = 0;
    guard(nullptr, 0, [&] {
        quiet();
        bool cuda = backend == DL_CUDA || backend == DL_CUDA_FP16;
        const int targets[] = {cv::dnn::DNN_TARGET_CPU, cv::dnn::DNN_TARGET_CUDA, cv::dnn::DNN_TARGET_CUDA_FP16, cv::dnn::DNN_TARGET_OPENCL};
        for (cv::dnn::Target t : cv::dnn::getAvailableTargets(cuda ? cv::dnn::DNN_BACKEND_CUDA : cv::dnn::DNN_BACKEND_OPENCV))
            found |= int(t) == targets[backend];
    });
    return found;
}

int dl_opencl_used(void) {
    int used = 0;
    guard(nullptr, 0, [&] {
        if (!cv::ocl::haveOpenCL() || !cv::ocl::useOpenCL()) return;
        const cv::ocl::Device &d = cv::ocl::Device::getDefault();
        const char *all = std::getenv("OPENCV_DNN_OPENCL_ALLOW_ALL_DEVICES");
        bool any = all && (std::string(all) == "1" || std::string(all) == "true" || std::string(all) == "ON");
        used = d.ptr() && (any || (d.type() & cv::ocl::Device::TYPE_CPU) == 0);
    });
    return used;
}

} // extern "C"
