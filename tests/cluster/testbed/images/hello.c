/* The only file of an otherwise empty image: says a word, ends with the code it is given. */
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
  puts("hello from an empty image");
  return count > 1 ? atoi(words[1]) : 0;
}
