// A client written by others: golang.org/x/oauth2 logs in by code with PKCE, refreshes, and exchanges. It has no function
// for an exchange, so its users take one of the two that let the grant type be set; here both are taken.
// Arguments: issuer, client id, client secret, redirect URI, audience. The authorization URL goes to standard output; the
// URL to which the browser was sent back comes on standard input; the tokens go to standard output as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken   = "urn:ietf:params:oauth:token-type:access_token"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(issuer, id, secret, redirect, audience string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	endpoints := issuer + "/protocol/openid-connect"
	config := &oauth2.Config{
		ClientID:     id,
		ClientSecret: secret,
		RedirectURL:  redirect,
		Scopes:       []string{"openid", "email", "profile"},
		// The style of authentication is not given, so that it finds out by trying.
		Endpoint: oauth2.Endpoint{AuthURL: endpoints + "/auth", TokenURL: endpoints + "/token"},
	}
	verifier := oauth2.GenerateVerifier()
	fmt.Println(config.AuthCodeURL("state-of-the-login", oauth2.S256ChallengeOption(verifier)))

	lines := bufio.NewScanner(os.Stdin)
	lines.Scan()
	back, err := url.Parse(lines.Text())
	if err != nil {
		return err
	}
	login, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: login.RefreshToken}).Token()
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	fields := url.Values{
		"grant_type":         {exchangeGrant},
		"subject_token":      {refreshed.AccessToken},
		"subject_token_type": {accessToken},
		"audience":           {audience},
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"login":             shown(login, nil),
		"refreshed":         shown(refreshed, nil),
		"clientcredentials": shown(byClientCredentials(ctx, config, fields)),
		"exchange":          shown(byExchange(ctx, config, fields)),
	})
}

// byClientCredentials sets the grant type of the client credentials flow.
func byClientCredentials(ctx context.Context, config *oauth2.Config, fields url.Values) (*oauth2.Token, error) {
	flow := clientcredentials.Config{
		ClientID:       config.ClientID,
		ClientSecret:   config.ClientSecret,
		TokenURL:       config.Endpoint.TokenURL,
		EndpointParams: fields,
	}
	return flow.Token(ctx)
}

// byExchange sets the grant type of the code flow, whose code goes along without a value.
func byExchange(ctx context.Context, login *oauth2.Config, fields url.Values) (*oauth2.Token, error) {
	config := &oauth2.Config{ClientID: login.ClientID, ClientSecret: login.ClientSecret, Endpoint: login.Endpoint}
	var options []oauth2.AuthCodeOption
	for name := range fields {
		options = append(options, oauth2.SetAuthURLParam(name, fields.Get(name)))
	}
	return config.Exchange(ctx, "", options...)
}

func shown(token *oauth2.Token, err error) map[string]any {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return map[string]any{
			"status": refused.Response.StatusCode, "error": refused.ErrorCode, "error_description": refused.ErrorDescription,
		}
	}
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{
		"access_token": token.AccessToken, "refresh_token": token.RefreshToken, "issued_token_type": token.Extra("issued_token_type"),
	}
}
