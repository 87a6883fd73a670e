// Reflections of secrets in answers, replaced as they pass. A help against accidents and simple
// echoes, not a wall: a server that wants to can encode a secret in any way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/credentials/pattern_set.h"
#include "proxy/credentials/secret_store.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

// Every secret in every form that is looked for, with its replacement of equal length: the
// placeholder in the same form, or asterisks where its length differs.
struct ScrubForms {
    PatternSet patterns;
    std::vector<std::string> replacements;  // by tag
};

// Forms: plain, percent-encoded, escaped as in JSON and HTML, base64 and base64url at three
// alignments, hexadecimal. Secrets under 8 bytes are left alone.
void add_scrub_forms(ScrubForms& forms, const StoredSecret& secret);

// One direction of one message: pieces follow one another.
class Scrubber {
  public:
    explicit Scrubber(std::shared_ptr<const ScrubForms> forms);

    // Replaces in place; keeps back the end of the piece while it could be the start of a secret.
    void piece(std::string& text);
    // What was kept back and turned out to be nothing.
    [[nodiscard]] std::string finish();
    // A whole text by itself.
    void whole(std::string& text);
    void fields(Fields& fields);

    [[nodiscard]] uint64_t replaced() const { return replaced_; }

  private:
    void replace(std::string& text);
    std::shared_ptr<const ScrubForms> forms_;
    std::string held_;
    uint64_t replaced_ = 0;
};

}  // namespace anchorhold::proxy
