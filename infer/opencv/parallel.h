// Threads per network, see parallel.cpp.
#ifndef DASHLINE_INFER_OPENCV_PARALLEL_H
#define DASHLINE_INFER_OPENCV_PARALLEL_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace dashline {

// Pool runs the loops of one network on the calling thread and threads-1 of its
// own. One caller at a time.
class Pool {
public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    typedef void (*Body)(int start, int end, void *data);
    void run(int tasks, Body body, void *data);
    int size() const { return int(workers_.size()) + 1; }

private:
    void worker(int index);
    void work();
    void stop();

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_, idle_;
    // mutex_ guards all but next_, which threads inside a job share.
    uint64_t job_ = 0;         // counts jobs; a worker joins each at most once
    int running_ = 0;          // workers inside the present job
    std::atomic<int> next_{0}; // next task of the present job
    bool open_ = false, stopped_ = false;
    int tasks_ = 0, chunk_ = 1;
    Body body_ = nullptr;
    void *data_ = nullptr;
};

// Use makes OpenCV's parallel loops on this thread run on a pool while it lives.
class Use {
public:
    explicit Use(Pool &pool);
    ~Use();
    Use(const Use &) = delete;
    Use &operator=(const Use &) = delete;
};

// pools_used says whether OpenCV took our backend.
bool pools_used();

} // namespace dashline
#endif
