// One owner per file descriptor.
#pragma once

#include <utility>

namespace anchorhold {

// Owns a file descriptor and closes it in its destructor. Move-only; an empty one holds -1.
class OwnFd {
  public:
    OwnFd() = default;
    explicit OwnFd(int fd) : fd_(fd) {}
    OwnFd(OwnFd&& other) noexcept : fd_(other.release()) {}
    OwnFd& operator=(OwnFd&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    OwnFd(const OwnFd&) = delete;
    OwnFd& operator=(const OwnFd&) = delete;
    ~OwnFd() { reset(); }

    // The descriptor, still owned; -1 when empty.
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }

    // Gives the descriptor away; the caller closes it.
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

    // Closes what is held and takes `fd`. Keeps errno.
    void reset(int fd = -1);

  private:
    int fd_ = -1;
};

}  // namespace anchorhold
