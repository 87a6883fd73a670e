// preadv2 and pwritev2 straight into guest memory; RWF_NOWAIT first, the worker for the rest.
#include "virtio/block/file_disk.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::virtio {
namespace {

constexpr uint64_t kSector = 512;
constexpr size_t kWorkerStack = 64 * 1024;

// Drops the first `done` bytes of a job.
void advance(DiskJob& job, uint64_t done) {
    job.offset += done;
    job.length -= done;
    auto piece = job.segments.begin();
    while (done > 0 && done >= piece->iov_len) {
        done -= piece->iov_len;
        ++piece;
    }
    job.segments.erase(job.segments.begin(), piece);
    if (done > 0) {
        iovec& first = job.segments.front();
        first.iov_base = static_cast<std::byte*>(first.iov_base) + done;
        first.iov_len -= done;
    }
}

ssize_t transfer(int fd, const DiskJob& job, int flags) {
    const auto count = static_cast<int>(job.segments.size());
    const auto offset = static_cast<off_t>(job.offset);
    ssize_t moved = 0;
    do {
        moved = job.kind == DiskJob::Kind::kRead
                    ? ::preadv2(fd, job.segments.data(), count, offset, flags)
                    : ::pwritev2(fd, job.segments.data(), count, offset, flags);
    } while (moved < 0 && errno == EINTR);
    return moved;
}

int punch(int fd, const DiskJob& job, int mode) {
    if (job.length == 0) {
        return 0;
    }
    int failed = 0;
    do {
        failed = ::fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(job.offset),
                             static_cast<off_t>(job.length));
    } while (failed < 0 && errno == EINTR);
    return failed < 0 ? errno : 0;
}

const char* call_name(DiskJob::Kind kind) {
    switch (kind) {
        case DiskJob::Kind::kRead:
            return "read";
        case DiskJob::Kind::kWrite:
            return "write";
        case DiskJob::Kind::kFlush:
            return "fdatasync";
        case DiskJob::Kind::kDiscard:
        case DiskJob::Kind::kWriteZeroes:
            return "fallocate";
    }
    return "disk";
}

}  // namespace

Result<std::unique_ptr<FileDisk>> FileDisk::create(OwnFd file, FileDiskOptions options,
                                                   EventLoop& loop, DeviceLock& lock) {
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(file.get(), options.name));
    const uint64_t capacity = size / kSector * kSector;
    if (capacity == 0) {
        return fail("disk " + options.name + ": the file has " + std::to_string(size) +
                    " bytes, a disk needs at least 512");
    }
    const int wanted = options.access == DiskAccess::kReadOnly ? O_RDONLY : O_RDWR;
    const int flags = ::fcntl(file.get(), F_GETFL);
    if (flags < 0) {
        return fail_errno("fcntl", options.name);
    }
    if ((flags & O_ACCMODE) != wanted && (flags & O_ACCMODE) != O_RDWR) {
        return fail("disk " + options.name + ": its file is not open for writing");
    }
    if (!options.worker) {
        options.worker = ANCHORHOLD_TRY(ParkedThread::start(kWorkerStack, nullptr));
    }
    return std::unique_ptr<FileDisk>(
        new FileDisk(std::move(file), capacity, std::move(options), loop, lock));
}

FileDisk::FileDisk(OwnFd file, uint64_t capacity, FileDiskOptions options, EventLoop& loop,
                   DeviceLock& lock)
    : file_(std::move(file)),
      capacity_(capacity),
      options_(std::move(options)),
      loop_(loop),
      lock_(lock),
      self_(std::make_shared<FileDisk*>(this)),
      worker_(std::move(options_.worker)) {}

FileDisk::~FileDisk() {
    *self_ = nullptr;
    {
        const std::lock_guard guard(mutex_);
        jobs_.clear();
        stopping_ = true;
    }
    wake_.notify_one();
    worker_->wait();
}

std::optional<int> FileDisk::submit(DiskJob job) {
    ANCHORHOLD_CHECK(options_.access == DiskAccess::kReadWrite ||
                     job.kind == DiskJob::Kind::kRead || job.kind == DiskJob::Kind::kFlush);
    if (const auto error = try_at_once(job)) {
        if (*error != 0) {
            report(job.kind, *error);
        }
        return error;
    }
    ++handed_over_;
    {
        const std::lock_guard guard(mutex_);
        jobs_.emplace_back(epoch_, std::move(job));
    }
    if (std::exchange(working_, Worker::kWorking) == Worker::kParked) {
        worker_->run([this] { work(); });
    }
    wake_.notify_one();
    return std::nullopt;
}

std::optional<int> FileDisk::try_at_once(DiskJob& job) {
    const bool reading = job.kind == DiskJob::Kind::kRead;
    if (!reading && job.kind != DiskJob::Kind::kWrite) {
        return std::nullopt;
    }
    bool& possible = reading ? nowait_reads_ : nowait_writes_;
    if (!possible) {
        return std::nullopt;
    }
    const ssize_t moved = transfer(file_.get(), job, RWF_NOWAIT);
    if (moved < 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
            possible = false;  // an error of another cause comes back from the worker
            return std::nullopt;
        }
        return errno == EAGAIN ? std::nullopt : std::optional<int>(errno);
    }
    if (moved == 0) {
        return std::nullopt;
    }
    advance(job, static_cast<uint64_t>(moved));
    return job.length == 0 ? std::optional<int>(0) : std::nullopt;
}

int FileDisk::run(DiskJob& job) const {
    switch (job.kind) {
        case DiskJob::Kind::kRead:
        case DiskJob::Kind::kWrite:
            while (job.length > 0) {
                const ssize_t moved = transfer(file_.get(), job, 0);
                if (moved < 0) {
                    return errno;
                }
                if (moved == 0) {
                    return EIO;  // the file is shorter than when it was opened
                }
                advance(job, static_cast<uint64_t>(moved));
            }
            return 0;
        case DiskJob::Kind::kFlush:
            return ::fdatasync(file_.get()) < 0 ? errno : 0;
        case DiskJob::Kind::kDiscard: {
            // A hint (§5.2.6.2): a file system that cannot is no failure.
            const int error = punch(file_.get(), job, FALLOC_FL_PUNCH_HOLE);
            return error == EOPNOTSUPP ? 0 : error;
        }
        case DiskJob::Kind::kWriteZeroes: {
            // A hole reads as zeros and costs nothing, on every file system that knows either.
            const int error = punch(file_.get(), job, FALLOC_FL_PUNCH_HOLE);
            return error == EOPNOTSUPP ? punch(file_.get(), job, FALLOC_FL_ZERO_RANGE) : error;
        }
    }
    return EIO;
}

void FileDisk::work() {
    std::unique_lock guard(mutex_);
    while (true) {
        wake_.wait(guard, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) {
            return;
        }
        auto [epoch, job] = std::move(jobs_.front());
        jobs_.pop_front();
        busy_ = true;
        guard.unlock();
        const int error = run(job);
        loop_.post(
            [self = self_, &lock = lock_, epoch = epoch, kind = job.kind, tag = job.tag, error] {
                const std::lock_guard held(lock);
                if (*self != nullptr) {
                    (*self)->complete(epoch, kind, tag, error);
                }
            });
        guard.lock();
        busy_ = false;
        idle_.notify_all();
    }
}

void FileDisk::complete(uint64_t epoch, DiskJob::Kind kind, uint64_t tag, int error) {
    if (error != 0) {
        report(kind, error);
    }
    if (epoch == epoch_ && client_ != nullptr) {
        client_->disk_completed(tag, error);
    }
}

void FileDisk::cancel_all() {
    ++epoch_;
    std::unique_lock guard(mutex_);
    jobs_.clear();
    idle_.wait(guard, [this] { return !busy_; });
}

void FileDisk::report(DiskJob::Kind kind, int error) {
    const auto bit = uint64_t{1} << (2 * static_cast<unsigned>(kind) + (error == ENOSPC ? 1 : 0));
    if ((reported_ & bit) != 0 || !options_.on_failure) {
        return;
    }
    reported_ |= bit;
    options_.on_failure(std::string(call_name(kind)) + ": " + errno_text(error));
}

}  // namespace anchorhold::virtio
