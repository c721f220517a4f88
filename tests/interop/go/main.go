// An API that verifies access tokens with go-oidc, by the issuer's published keys (docs/verifiers.md).
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

type claims struct {
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

func main() {
	provider, err := oidc.NewProvider(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	// go-oidc calls the audience a client id, for it was made for ID tokens.
	verifier := provider.VerifierContext(context.Background(), &oidc.Config{ClientID: os.Getenv("AUDIENCE")})

	http.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization")) > 1 || r.URL.Query().Has("access_token") {
			refuse(w, http.StatusBadRequest, `, error="invalid_request"`)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "bearer") || token == "" {
			refuse(w, http.StatusUnauthorized, "")
			return
		}
		verified, err := verifier.Verify(r.Context(), token)
		var found claims
		if err != nil || verified.Claims(&found) != nil || found.ClientID == "" {
			refuse(w, http.StatusUnauthorized, `, error="invalid_token"`)
			return
		}
		if !slices.Contains(strings.Fields(found.Scope), "read:users") {
			refuse(w, http.StatusForbidden, `, error="insufficient_scope", scope="read:users"`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"users": []string{"zoe"}, "asked_by": found.ClientID})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

// refuse answers with the challenge of RFC 6750 section 3.
func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="api"`+challenge)
	w.WriteHeader(status)
}
