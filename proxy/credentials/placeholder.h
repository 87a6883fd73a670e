// What the guest holds instead of a secret: how it is made, and how it is found again wherever the
// guest puts it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/credentials/pattern_set.h"

namespace anchorhold::proxy {

// A placeholder for `secret`: of equal length, of its shape (a well-known prefix such as "ghp_", or
// `shape` where one is given; its kind of characters), with "anchorhold" readable in it where the
// characters allow ("a2c402401d" in hexadecimal ones, nothing in digits), unpredictable in its last
// part. A secret that is too short for all that gets a longer placeholder. Letters, digits, '-',
// '_' and '.' only, so that no encoding of text changes it.
[[nodiscard]] std::string make_placeholder(std::string_view secret, std::string_view shape = {});

// Adds the forms in which a placeholder is recognised: plain, base64 and base64url at the three
// alignments, hexadecimal.
void add_placeholder_forms(PatternSet& patterns, std::string_view placeholder, uint32_t tag);

// Finds placeholders in text that may be cut anywhere: also where characters of it are
// percent-encoded or escaped as in JSON.
class PlaceholderScan {
  public:
    explicit PlaceholderScan(std::shared_ptr<const PatternSet> patterns);

    // True: a placeholder ends in this piece. Pieces follow one another.
    [[nodiscard]] bool piece(std::string_view text);

    // A whole text by itself.
    [[nodiscard]] static bool contains(const PatternSet& patterns, std::string_view text);

  private:
    std::shared_ptr<const PatternSet> patterns_;
    std::string tail_;  // the last bytes seen
};

}  // namespace anchorhold::proxy
