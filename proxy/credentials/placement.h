// Where a request's placeholders are, and what goes in their place. Looks first and changes
// nothing; fill() then cannot fail. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/decision.h"
#include "proxy/credentials/aws_signing.h"
#include "proxy/credentials/credential_index.h"
#include "proxy/credentials/form_text.h"

namespace anchorhold::proxy {

class Placement {
  public:
    // All arguments outlive the object.
    Placement(const Credentials::Index& index, const Destination& destination,
              const policy::Decision& decision);

    // Everything but the body. `target` may not change until fill().
    std::optional<Refusal> examine(const RequestHead& head);
    // A whole body. Without one the caller scans it as it passes.
    std::optional<Refusal> examine_body(const RequestHead& head, std::string_view body);

    void fill(RequestHead& head, std::string& body);

    // The body's length changed.
    [[nodiscard]] bool body_changed() const { return !body_insertions_.empty(); }
    [[nodiscard]] const std::vector<std::string>& used() const { return used_; }
    // A request to sign, once filled.
    [[nodiscard]] const AwsSigning* aws() const { return aws_ ? &*aws_ : nullptr; }
    // A binding that served this request, or null.
    [[nodiscard]] const proto::Binding* served() const { return served_; }

  private:
    struct Insertion {
        TextRange place;
        SecretString text;
    };
    struct HeaderValue {
        std::string name;
        SecretString value;
    };
    struct Offer {
        const StoredSecret* secret = nullptr;
        std::string user;  // of basic credentials
    };

    [[nodiscard]] bool bound() const;
    [[nodiscard]] bool usable(const proto::Binding* binding) const;
    void use(const proto::Binding* binding, const StoredSecret& secret);

    std::optional<Refusal> examine_field(const RequestHead& head, const Field& field);
    std::optional<Refusal> examine_offer(const RequestHead& head, const Field& field,
                                         const Offer& offer);
    std::optional<Refusal> examine_target(std::string_view target);
    std::optional<Refusal> examine_query(std::string_view target, const TargetParts& parts);
    std::optional<Refusal> examine_json(std::string_view body);
    std::optional<Refusal> examine_form(std::string_view body);
    std::optional<Refusal> examine_segments(std::string_view target, const TargetParts& parts);
    // A value in a binding's own location: its placeholder in its form, or a refusal. No insertion
    // for an empty one.
    std::optional<Refusal> place_value(const BoundSecret& bound_secret, std::string_view value,
                                       std::string_view where, std::optional<SecretString>& text);
    void add_missing_headers();

    [[nodiscard]] Offer offered(std::string_view value) const;
    [[nodiscard]] const proto::Binding* binding_for(const Field& field, const Offer& offer) const;
    // Links that `binding` brought may be used under rules of this document: it binds the same
    // secret to the same hosts, so it could have brought them too.
    [[nodiscard]] bool hands_out_links(const proto::Binding& binding, uint32_t document) const;
    [[nodiscard]] SecretString header_value(const BoundSecret& bound_secret,
                                            const StoredSecret& secret,
                                            std::string_view user) const;
    [[nodiscard]] bool stray(std::string_view text) const;
    [[nodiscard]] static std::string masked(std::string_view text,
                                            const std::vector<Insertion>& insertions);
    static void insert(std::string& text, const std::vector<Insertion>& insertions);

    const Credentials::Index& index_;
    const Destination& destination_;
    const policy::Decision& decision_;
    std::vector<HeaderValue> headers_;
    std::vector<Insertion> target_insertions_;
    std::vector<Insertion> body_insertions_;
    std::optional<AwsSigning> aws_;
    std::vector<std::string> used_;
    const proto::Binding* served_ = nullptr;
    std::vector<const proto::Binding*> replaced_;  // a captured secret stands for their own
};

}  // namespace anchorhold::proxy
