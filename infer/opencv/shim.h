// The C face of the shim over OpenCV DNN. Nothing is thrown across it: every
// function that can fail returns 0 for success, or nonzero and leaves its error
// text in the caller's buffer (always ended by a zero byte, cut where too long).
#ifndef DASHLINE_INFER_OPENCV_SHIM_H
#define DASHLINE_INFER_OPENCV_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dl_net dl_net;

enum { DL_DARKNET = 0, DL_ONNX = 1 };
enum { DL_CPU = 0, DL_CUDA = 1, DL_CUDA_FP16 = 2, DL_OPENCL = 3 };
enum { DL_MAX_DIMS = 8 };

// dl_load reads a network from memory and builds it; it does not run it. weights
// is for darknet only. The bytes are not used after it returns.
int dl_load(int format, const uint8_t *model, size_t model_len, const uint8_t *weights, size_t weights_len,
            int width, int height, int backend, int threads, size_t max_bytes, dl_net **out, char *err, size_t err_len);
void dl_free(dl_net *n); // may be NULL

float *dl_input(dl_net *n); // 1x3xHxW, 64-byte aligned, lives until dl_free
int dl_forward(dl_net *n, char *err, size_t err_len);

// After a forward: how many outputs, each one's name and shape, of which
// dl_output_shape returns the number of dimensions, and its numbers, which live
// until the next forward. A forward that changes a shape fails.
int dl_outputs(dl_net *n);
const char *dl_output_name(dl_net *n, int i);
int dl_output_shape(dl_net *n, int i, int shape[DL_MAX_DIMS]);
const float *dl_output(dl_net *n, int i);

// dl_profile writes a line "name<TAB>kind<TAB>microseconds" for each layer of the
// last forward. It returns how long the text is, which may be more than fits.
size_t dl_profile(dl_net *n, char *text, size_t len);

// Facts about the OpenCV library that runs. Text goes to the caller's buffer.
enum { DL_VERSION, DL_BUILD, DL_CPU_FEATURES, DL_OPENCL_DEVICE, DL_BACKENDS, DL_CUDA_DEVICE };
int dl_fact(int which, char *text, size_t len);
// The number of CUDA devices; 0 also where OpenCV has no CUDA, -1 where the driver is missing or too old.
int dl_cuda_devices(void);
// Nonzero if OpenCV DNN lists this backend as one that it can run on here.
int dl_available(int backend);
// Nonzero if the OpenCL device is one that OpenCV DNN would really use.
int dl_opencl_used(void);

#ifdef __cplusplus
}
#endif
#endif
