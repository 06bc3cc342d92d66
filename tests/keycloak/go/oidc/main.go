// A resource server written by others: coreos/go-oidc verifies tokens, its keys found through the issuer's discovery
// alone. Arguments: issuer, audience, algorithms (comma-separated). Each line of standard input is a token; the answer
// is a line: "ok" and the claims, or "no" and why.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	issuer, audience, algorithms := os.Args[1], os.Args[2], strings.Split(os.Args[3], ",")
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms})
	tokens := bufio.NewScanner(os.Stdin)
	tokens.Buffer(nil, 1<<20)
	for tokens.Scan() {
		fmt.Println(verify(verifier, tokens.Text()))
	}
}

func verify(verifier *oidc.IDTokenVerifier, token string) string {
	verified, err := verifier.Verify(context.Background(), token)
	if err != nil {
		return "no " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	var claims json.RawMessage
	if err := verified.Claims(&claims); err != nil {
		return "no " + err.Error()
	}
	return "ok " + string(claims)
}
