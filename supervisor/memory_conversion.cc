// Descriptors 3 and 4, and the last word from standard error.
#include "supervisor/memory_conversion.h"

#include <fcntl.h>
#include <signal.h>

#include <array>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMaxWords = 1024;

// What it said, without the log's own head of the line.
std::string last_word(int pipe) {
    std::array<std::byte, kMaxWords> buffer{};
    const auto count = sys::read_some(pipe, buffer);
    std::string_view text(reinterpret_cast<const char*>(buffer.data()),
                          count ? count->value_or(0) : 0);
    text = text.substr(0, text.find('\n'));
    constexpr std::string_view kError = "error: ";
    if (const size_t at = text.find(kError); at != std::string_view::npos) {
        text.remove_prefix(at + kError.size());
    }
    return text.empty() ? "anchorhold-pager ended without a word" : log::escaped(text, 300);
}

}  // namespace

Status convert_memory(const Installation& installation, int source, int target, MemoryForm form) {
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    sys::Pipe words = ANCHORHOLD_TRY(sys::pipe());
    SpawnRequest request;
    request.path = installation.library + "/anchorhold-pager";
    request.arguments = {"anchorhold-pager",
                         form == MemoryForm::kCompressed ? "compress" : "expand"};
    request.descriptors = {{nothing.get(), 0},
                           {nothing.get(), 1},
                           {words.write_end.get(), 2},
                           {source, 3},
                           {target, 4}};
    request.new_session = true;
    // With us: what it writes is nobody's then.
    request.parent_death_signal = SIGKILL;
    Child child = ANCHORHOLD_TRY(spawn(request));
    words.write_end.reset();
    const ExitStatus status = ANCHORHOLD_TRY(child.wait());
    return status.code == 0 && status.signal == 0 ? Status()
                                                  : fail(last_word(words.read_end.get()));
}

}  // namespace anchorhold::supervisor
