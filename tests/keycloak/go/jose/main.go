// A resource server written by others: go-jose verifies tokens. It leaves it to its users where keys come from, so this
// one looks for them as its users do: through the issuer's discovery, and again when a token names a key that it has not.
// Arguments: issuer, audience, algorithms (comma-separated). Each line of standard input is a token; the answer is a
// line: "ok" and the claims, or "no" and why.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

type resource struct {
	expected   jwt.Expected
	algorithms []jose.SignatureAlgorithm
	jwksURL    string
	keys       jose.JSONWebKeySet
}

func main() {
	server, err := newResource(os.Args[1], os.Args[2], strings.Split(os.Args[3], ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tokens := bufio.NewScanner(os.Stdin)
	tokens.Buffer(nil, 1<<20)
	for tokens.Scan() {
		claims, err := server.verify(tokens.Text())
		if err != nil {
			fmt.Println("no " + strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("ok " + string(claims))
	}
}

func newResource(issuer, audience string, algorithms []string) (*resource, error) {
	var discovery struct {
		Issuer  string `json:"issuer"`
		JwksURI string `json:"jwks_uri"`
	}
	if err := get(issuer+"/.well-known/openid-configuration", &discovery); err != nil {
		return nil, err
	}
	if discovery.Issuer != issuer {
		return nil, errors.New("issuer is " + discovery.Issuer)
	}
	server := &resource{
		expected: jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}},
		jwksURL:  discovery.JwksURI,
	}
	for _, algorithm := range algorithms {
		server.algorithms = append(server.algorithms, jose.SignatureAlgorithm(algorithm))
	}
	return server, get(server.jwksURL, &server.keys)
}

func (server *resource) verify(token string) (json.RawMessage, error) {
	parsed, err := jwt.ParseSigned(token, server.algorithms)
	if err != nil {
		return nil, err
	}
	kid := parsed.Headers[0].KeyID
	if len(server.keys.Key(kid)) == 0 {
		server.keys = jose.JSONWebKeySet{}
		if err := get(server.jwksURL, &server.keys); err != nil {
			return nil, err
		}
	}
	var registered jwt.Claims
	var claims json.RawMessage
	if err := parsed.Claims(server.keys, &registered, &claims); err != nil {
		return nil, err
	}
	return claims, registered.Validate(server.expected.WithTime(time.Now()))
}

func get(url string, into any) error {
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(url + ": " + answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
