package bootscript

import (
	"strings"
	"testing"
)

// This file reads scripts as the loaders do, as far as injection goes: where
// a command ends, what a word is, what is expanded.

type ipxeCommand struct {
	words []string
	end   string // what ended it: || && ; or the line
}

// ipxeCommands splits a script into commands, each a list of words, as iPXE's
// script.c and exec.c do: lines joined at a backslash, words at white space,
// comments from a word that begins with '#', commands ended by || && and ;
// and settings expanded per word after that. Settings expand to nothing but
// for those of known.
func ipxeCommands(t *testing.T, script string) []ipxeCommand {
	t.Helper()
	var commands []ipxeCommand
	for _, line := range strings.Split(strings.ReplaceAll(script, "\\\n", ""), "\n") {
		var command []string
		for _, word := range strings.Fields(line) {
			if word[0] == '#' {
				break
			}
			if word == "||" || word == "&&" || word == ";" {
				commands = append(commands, ipxeCommand{command, word})
				command = nil
				continue
			}
			command = append(command, ipxeExpand(t, word))
		}
		if command != nil {
			commands = append(commands, ipxeCommand{command, "line"})
		}
	}
	return commands
}

func ipxeExpand(t *testing.T, word string) string {
	t.Helper()
	for {
		end := -1
		start := strings.Index(word, "${")
		if start >= 0 {
			end = strings.IndexByte(word[start:], '}')
		}
		if end < 0 {
			return word
		}
		start = strings.LastIndex(word[:start+end], "${")
		end = start + strings.IndexByte(word[start:], '}')
		switch name := word[start+2 : end]; name {
		case "empty", "target", "platform", "errno":
		default:
			t.Fatalf("the script expands ${%s}", name)
		}
		word = word[:start] + word[end+1:]
	}
}

func ipxeKernelArguments(t *testing.T, script string) string {
	t.Helper()
	for _, c := range ipxeCommands(t, script) {
		if c.words[0] == "kernel" {
			return strings.Join(c.words[2:], " ") // without the URL
		}
	}
	t.Fatalf("no kernel command in\n%s", script)
	return ""
}

// grubCommands splits a script into commands, each a list of words, as GRUB's
// lexer does: words at blanks, commands at newlines and ;, quotes of both
// kinds, comments from '#' where a word begins. A word with $ outside single
// quotes keeps it.
func grubCommands(t *testing.T, script string) [][]string {
	t.Helper()
	var commands [][]string
	var command []string
	var word strings.Builder
	inWord := false
	endWord := func() {
		if inWord {
			command = append(command, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if command != nil {
			commands = append(commands, command)
		}
		command = nil
	}
	for i := 0; i < len(script); i++ {
		switch c := script[i]; {
		case c == '#' && !inWord:
			for i < len(script) && script[i] != '\n' {
				i++
			}
			endCommand()
		case c == '\\':
			i++
			word.WriteByte(script[i])
			inWord = true
		case c == '\'' || c == '"':
			end := strings.IndexByte(script[i+1:], c)
			if end < 0 {
				t.Fatalf("a quote is not closed in\n%s", script)
			}
			word.WriteString(script[i+1 : i+1+end])
			i += end + 1
			inWord = true
		case c == '\n' || c == ';':
			endCommand()
		case c == ' ' || c == '\t':
			endWord()
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	endCommand()
	return commands
}

// grubKernelArguments gives the kernel's parameters, each without the quotes
// that GRUB puts around one with a space and the kernel takes off again.
func grubKernelArguments(t *testing.T, script string) []string {
	t.Helper()
	for _, c := range grubCommands(t, script) {
		if len(c) > 2 && c[0] == "if" && c[1] == "linux" {
			return c[3:]
		}
	}
	t.Fatalf("no linux command in\n%s", script)
	return nil
}

// pxelinuxKeywords gives the first word of every line that is not a comment,
// KERNEL for the LINUX that stands in for it.
func pxelinuxKeywords(script string) []string {
	var keywords []string
	for _, line := range strings.Split(script, "\n") {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			keywords = append(keywords, strings.Replace(words[0], "LINUX", "KERNEL", 1))
		}
	}
	return keywords
}
