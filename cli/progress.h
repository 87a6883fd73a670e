// One line about what takes long: shown after two seconds, with the time that has passed.
#pragma once

#include <string>

#include "base/event_loop.h"

namespace anchorhold::cli {

// Writes to stderr. On a terminal the line is redrawn every second and erased at the end; elsewhere
// it is written when the two seconds are over and once more, with the whole time, at the end.
class Progress {
  public:
    Progress(EventLoop& loop, std::string what);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

  private:
    void tick();

    EventLoop& loop_;
    std::string what_;
    TimePoint begin_;
    EventLoop::TimerId timer_;
    enum class Shown { kNothing, kOnTerminal, kAsLine } shown_ = Shown::kNothing;
};

}  // namespace anchorhold::cli
