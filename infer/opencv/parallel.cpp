// Threads per network.
//
// OpenCV's own thread count is one number for the whole process. Changing it
// (cv::setNumThreads) tears down and rebuilds a TBB arena or a pthreads pool
// without any lock, so it is unsafe while any other thread is inside any OpenCV
// loop: another network's forward, but also a resize or an encode that no lock
// of ours would see. A lock around forwards is therefore not enough.
//
// OpenCV (since 4.5.2) lets a program bring its own backend for parallel loops.
// Ours has no process-wide count at all: each network owns a pool with its own
// threads, a forward names that pool for its own thread only, and the backend
// runs a loop on the pool named by the thread that asks. OpenCV calls from
// threads that named none (resize, encode) run on their own thread: between
// stages that already run side by side they would only take cores from forwards.
//
// OpenCV itself lets only one parallel loop at a time spread over threads: while
// one network is inside a loop, a loop that another network starts runs whole on
// the thread that asked. So two networks side by side are always correct and use
// each its own threads, but not all of them in every loop.
//
// Workers sleep between loops instead of looking for the next one: measured on
// two cores that other work shares, spinning made forwards no faster and cost a
// third more processor time.
#include "parallel.h"

#include <opencv2/core/parallel/parallel_backend.hpp>
#include <algorithm>
#include <memory>
#include <pthread.h>
#include <signal.h>

namespace dashline {
namespace {

thread_local Pool *current = nullptr;
thread_local int thread_index = 0;

class Backend : public cv::parallel::ParallelForAPI {
public:
    void parallel_for(int tasks, FN_parallel_for_body_cb_t body, void *data) override {
        if (current && tasks > 1) current->run(tasks, body, data);
        else body(0, tasks, data);
    }
    int getThreadNum() const override { return thread_index; }
    int getNumThreads() const override { return current ? current->size() : 1; }
    int setNumThreads(int) override { return getNumThreads(); } // a network's pool has the size that it was opened with
    const char *getName() const override { return "dashline"; }
};

// OpenCV asks for its backend to be replaced before any other thread uses
// OpenCV. The only moment that no caller can get wrong is before main.
bool install() noexcept {
    try {
        cv::parallel::setParallelForBackend(std::make_shared<Backend>(), false);
        return true;
    } catch (...) {
        return false; // OpenCV keeps its own threads; forwards are as correct, only not counted
    }
}
const bool installed = install();

} // namespace

bool pools_used() { return installed; }

Use::Use(Pool &pool) { current = &pool; }
Use::~Use() { current = nullptr; }

Pool::Pool(int threads) {
    // Signals belong to the Go runtime's threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { worker(i); });
    } catch (...) { // no more threads to be had: give back those that run
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        stop();
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() { stop(); }

void Pool::stop() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stopped_ = true;
        job_++;
    }
    wake_.notify_all();
    for (std::thread &t : workers_) t.join();
    workers_.clear();
}

void Pool::run(int tasks, Body body, void *data) {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        tasks_ = tasks;
        // A few pieces a thread: late threads still find work, and a loop of
        // thousands of rows does not pay for each one.
        chunk_ = std::max(1, tasks / (size() * 4));
        body_ = body;
        data_ = data;
        next_.store(0);
        open_ = true;
        job_++;
    }
    wake_.notify_all();
    work();
    std::unique_lock<std::mutex> lock(mutex_);
    open_ = false; // a worker that wakes now finds the job closed and does not touch it
    idle_.wait(lock, [this] { return running_ == 0; });
}

// work takes tasks until none is left. OpenCV's loop body keeps exceptions for
// the caller, so none leaves body_.
void Pool::work() {
    for (;;) {
        int start = next_.fetch_add(chunk_);
        if (start >= tasks_) return;
        body_(start, std::min(start + chunk_, tasks_), data_);
    }
}

void Pool::worker(int index) {
    current = this;
    thread_index = index;
#ifdef __linux__
    pthread_setname_np(pthread_self(), "dashline-dnn"); // for top and perf
#endif
    uint64_t seen = 0;
    for (;;) {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return job_ != seen; });
        if (stopped_) return;
        seen = job_;
        if (!open_) continue;
        running_++;
        lock.unlock();
        work();
        lock.lock();
        if (--running_ == 0) idle_.notify_one();
    }
}

} // namespace dashline
