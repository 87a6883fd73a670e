// From the last whole line on, each time somebody asks.
#include "soak/log_index.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "base/sys.h"

namespace anchorhold::soak {
namespace {

constexpr std::string_view kTarget = "/v1/r/";

bool has(std::string_view line, std::string_view part) {
    return line.find(part) != std::string_view::npos;
}

}  // namespace

uint64_t id_of(std::string_view text) {
    const auto at = text.find(kTarget);
    uint64_t id = 0;
    if (at != std::string_view::npos) {
        std::from_chars(text.data() + at + kTarget.size(), text.data() + text.size(), id);
    }
    return id;
}

bool LogIndex::holds(uint64_t id) {
    const std::lock_guard guard(mutex_);
    if (!admitted_.contains(id)) {
        catch_up();
    }
    return admitted_.contains(id);
}

uint64_t LogIndex::repeated() {
    const std::lock_guard guard(mutex_);
    catch_up();
    return repeated_;
}

uint64_t LogIndex::repairs() {
    const std::lock_guard guard(mutex_);
    catch_up();
    return repairs_;
}

uint64_t LogIndex::losses() {
    const std::lock_guard guard(mutex_);
    catch_up();
    return losses_;
}

void LogIndex::catch_up() {
    if (!file_.valid()) {
        auto opened = sys::open(path_, O_RDONLY);
        if (!opened) {
            return;
        }
        file_ = std::move(*opened);
    }
    std::string text;
    char chunk[65536];
    for (;;) {
        const ssize_t count =
            ::pread(file_.get(), chunk, sizeof chunk, static_cast<off_t>(offset_ + text.size()));
        if (count <= 0) {
            break;
        }
        text.append(chunk, static_cast<size_t>(count));
    }
    size_t begin = 0;
    for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        take(std::string_view(text).substr(begin, end - begin));
    }
    offset_ += begin;
}

void LogIndex::take(std::string_view line) {
    if (has(line, R"("event":"decision")") && has(line, R"("verdict":"allow")")) {
        if (const uint64_t id = id_of(line); id != 0 && !admitted_.insert(id).second) {
            ++repeated_;
        }
    } else if (has(line, R"("event":"repaired")")) {
        ++repairs_;
    } else if (has(line, R"("event":"lost")")) {
        ++losses_;
    }
}

}  // namespace anchorhold::soak
