#!/bin/sh
# Run by the server's image when its data is empty.
for collection in customer application session; do
  mongoimport --username root --password example --authenticationDatabase admin --db bank --collection "$collection" --file "/bank/$collection.json"
done
