// Names of kinds.
#include "bench/variant.h"

#include <array>

namespace anchorhold::bench {
namespace {

struct KindWord {
    StartKind kind;
    std::string_view word;
};
constexpr std::array<KindWord, 5> kKinds = {{{StartKind::kCold, "cold"},
                                             {StartKind::kRestored, "restored"},
                                             {StartKind::kShell, "shell"},
                                             {StartKind::kParked, "parked"},
                                             {StartKind::kForked, "forked"}}};

}  // namespace

std::string_view word(StartKind kind) {
    return kKinds[static_cast<size_t>(kind)].word;
}

std::optional<StartKind> start_kind(std::string_view word) {
    for (const KindWord& candidate : kKinds) {
        if (candidate.word == word) {
            return candidate.kind;
        }
    }
    return std::nullopt;
}

std::string title(const VariantDescription& description) {
    return description.start == StartKind::kCold
               ? description.name
               : description.name + ", " + std::string(word(description.start));
}

}  // namespace anchorhold::bench
