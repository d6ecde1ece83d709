"""Banks of clauses and whole sentences: what happened, facts, opinions, messages, and rewritten twins of them."""

from __future__ import annotations

from selfinstruct.llm.demo.words import bank, pairs, rows

NOTES = bank("""
parking is free behind the church; dogs are welcome on a lead; the lift is out of order; doors open half an hour
early; only cash is accepted; seats cannot be reserved; children under six come in free; the last bus leaves at half
past ten; everything moves indoors if it rains; there is step-free access from the courtyard; tea and cake will be
served; a photographer will be present; the car park fills up quickly; gloves and tools are provided; places are
limited to thirty; the kitchen closes at nine; a vegetarian dish is available; the main road will be closed; the
programme is in two languages; glasses carry a small deposit; the ground may be muddy; there is no mobile signal; the
ferry crossing takes ten minutes; coats can be left upstairs; blankets can be borrowed; a sign language interpreter
will be there; the raffle supports the lifeboat crew; bicycles can be locked in the yard; the side entrance is the one
to use; a small donation is appreciated; the toilets are across the street; latecomers wait until the interval; there
is a quiet room upstairs; the heating has just been repaired; nobody needs any experience; the first drink is free
""")
TROUBLES = bank("""
the boiler broke down; the delivery van had a flat tyre; a pipe burst overnight; the booking system crashed; two
colleagues fell ill; the wrong address was on the label; the supplier ran out of stock; the road was flooded; the key
snapped in the lock; the invoice was sent twice; the oven would not light; the train was cancelled; a storm brought
down the power line; the order got lost in the post; the printer ran out of ink; the alarm went off by mistake; the
paint had not dried; the appointment was entered on the wrong day; a crate of glasses fell over; the freezer thawed;
the microphone failed; the new trainee mixed up the names; the scaffolding was delayed; the password had expired; the
parcel was soaked by rain; the tickets were printed with an old date; a wasp nest blocked the entrance; the ferry
stayed in port; the ceiling leaked; the bridge was closed for repairs; the payment terminal was offline; the
measurements were taken in inches
""")
FEATURES = bank("""
is lighter than it looks; comes with a ten-year guarantee; is made in a small village workshop; keeps its colour for
years; ships without any packaging; suits left-handed people, too; looks better with age; can be engraved with a name;
passes every safety test; is light enough for children; costs less than a dinner for two; arrives within two days; was
designed by two sisters; has won a design prize; can be returned for a year; comes in nine colours; is checked by
hand; supports a school with every sale; is made to order; comes with free repairs for life; uses only local
materials; takes up hardly any space; got top marks in a consumer test; needs no instructions; makes a lovely present;
cleans up with a damp cloth; has been copied but never matched; lasts for a lifetime
""")
FACTS = pairs("""
why leaves turn yellow in autumn => In autumn trees stop making the green chlorophyll that feeds them. As the green
fades, yellow colours that were in the leaf all along come into view. || why the sea has tides => The Moon pulls on
the water of the oceans and raises a bulge on the near and the far side of the Earth. As the Earth turns, coasts pass
through these bulges and the water rises and falls. || how a rainbow forms => Sunlight bends as it enters a raindrop,
is reflected inside and bends again as it leaves. Each colour bends by a slightly different angle, so they spread into
a bow. || why bread dough rises => Yeast feeds on sugars in the flour and gives off carbon dioxide. The stretchy
gluten traps the gas in bubbles, so the dough swells. || why onions make us cry => Cutting an onion breaks its cells
and releases a sulphur gas. The gas meets the water in our eyes, forms a mild acid, and tears wash it away. || how
bees make honey => Bees collect nectar, pass it from mouth to mouth and add enzymes that change its sugars. In the
comb they fan it with their wings until enough water has gone and it is thick. || why ice floats on water => Water
expands when it freezes, because its molecules lock into an open lattice. The same weight takes up more room, so ice
is less dense and floats. || why we have leap years => The Earth takes about 365 and a quarter days to go around the
Sun. An extra day nearly every four years keeps the calendar in step with the seasons. || how vaccines protect people
=> A vaccine shows the immune system a harmless piece or form of a germ. The body remembers it and reacts quickly if
the real germ arrives. || why the sky looks blue => Air scatters the short blue waves of sunlight far more than the
long red ones. Blue light therefore reaches our eyes from every part of the sky. || how a compass finds north => The
Earth behaves like a large weak magnet. A compass needle is a small magnet that turns freely until it lines up with
that field. || why thunder follows lightning => Lightning heats the air so suddenly that it expands with a bang. Light
reaches us almost at once, while the sound travels only about a third of a kilometre each second. || how soap removes
grease => One end of a soap molecule holds on to water and the other end to fat. Soap surrounds tiny drops of grease
so that water can carry them away. || why cats purr => Cats purr by making the muscles of their voice box twitch
rapidly as they breathe. They do it when content, and also to calm themselves when hurt or afraid. || why metal feels
colder than wood => Metal conducts heat away from the hand much faster than wood does. Both have the same temperature,
but the skin notices the quicker loss. || how seeds know which way is up => Special cells in the young root hold heavy
grains that sink with gravity. The root grows the way they sink, and the shoot grows the other way. || why stars
twinkle => Starlight passes through layers of moving air that bend it this way and that. The point of light seems to
flicker, although the star shines steadily. || how a thermos keeps tea hot => A thermos has two walls with almost no
air between them, so little heat can be conducted or carried off. Shiny surfaces reflect heat rays back inside. || why
salt melts ice on roads => Salt dissolves in the thin film of water on the ice and lowers its freezing point. The ice
then melts although the air is a little below zero. || how coral reefs are built => Coral polyps are tiny animals that
build cups of limestone around themselves. Over centuries the cups of countless generations pile up into a reef. ||
why we yawn when others do => Seeing a yawn sets off the same action in many people, most of all among those who are
close. Researchers link it to empathy, but the exact purpose is still debated. || how a lock lifts a boat => A boat
enters a chamber and the gates close behind it. Water runs in from the upper side until the level inside matches it,
and the front gates open. || why bicycles stay upright when moving => A rolling bicycle steers slightly into any lean,
which brings the wheels back under the rider. The rider helps with small corrections without thinking. || why popcorn
pops => Each kernel holds a little water inside a hard shell. Heat turns the water to steam until the pressure bursts
the shell and the starch puffs out. || how owls fly silently => The front edge of an owl's wing has comb-like fringes
that break up the rushing air. Soft feathers on the wing muffle what noise is left. || why the Moon shows us one face
=> The Moon turns once on its axis in the same time that it takes to circle the Earth. The same half therefore always
points towards us. || how yoghurt is made => Warm milk is mixed with helpful bacteria that turn milk sugar into lactic
acid. The acid thickens the milk proteins and gives yoghurt its sour taste. || why deserts are cold at night => Dry
air and clear skies hold back very little heat. Once the Sun has set, the warmth of the ground escapes quickly into
space. || how echoes arise => Sound waves bounce off hard, distant surfaces such as cliffs. If the reflection takes
more than about a tenth of a second to return, we hear it separately. || why iron rusts => Iron reacts with oxygen and
water and forms a reddish oxide. The oxide flakes off, so fresh metal is exposed and the rusting goes on. || how
glaciers move => Snow piles up and is pressed into ice that slowly flows under its own weight. Meltwater at the bottom
also lets the glacier slide over the rock. || why chillies taste hot => Chillies contain capsaicin, which triggers the
same nerve endings that warn us of heat. The mouth reports burning although nothing is hot. || how spiders avoid their
own glue => Spiders walk mostly on the dry threads of a web, and only some threads are sticky. Fine hairs and an oily
coating on their feet do the rest. || why old bridges have arches => An arch turns the load above it into pressure
that runs down into the supports. Stone bears pressure well, so an arch needs no mortar strong in tension. || how
paper is recycled => Waste paper is soaked and beaten into a pulp, and ink and staples are removed. The clean pulp is
spread on a screen, pressed and dried into new sheets. || why we need sleep => During sleep the brain sorts memories
and clears away waste. The body uses the time to repair tissue and to regulate hormones.
""")
COMPARISONS = rows("""
gas hobs => induction hobs => react at once and suit any pan, but leave fumes in the room => are safer and more
efficient, but need pans with a magnetic base || paper books => e-readers => need no power and can be lent or sold =>
hold a whole library and let the reader enlarge the type || trains => planes => arrive in the middle of town and use
far less energy => are faster over long distances but need time at the airport || cotton sheets => linen sheets => are
soft from the first night and cost less => feel cool in summer and last for decades || cats => dogs => manage on their
own for a day and need little space => want company and walks, and repay them with loyalty || renting a flat => buying
a flat => leaves you free to move and spares you repairs => builds up property but ties down money || mechanical
watches => quartz watches => can be repaired for generations but drift by seconds a day => are cheap and precise but
need a battery || wood stoves => heat pumps => work without electricity but make smoke and ash => heat cleanly and
cheaply but cost more to install || small classes => large classes => give each pupil more attention => cost less and
offer more different partners to work with || bar soap => liquid soap => lasts longer and needs hardly any packaging
=> is easy to share and to portion || laptops => desktop computers => can be carried anywhere but are harder to repair
=> offer more power for the money but stay where they are || tents => camper vans => are cheap and take you off the
road => stay dry and ready but need a parking place and fuel || annual flowers => perennial flowers => bloom all
summer but must be sown again each year => come back on their own but flower for a shorter time || working from home
=> working in an office => saves the journey and allows quiet work => makes it easy to meet people and to end the
working day || glass jars => plastic boxes => do not take on smells and can be boiled => weigh little and do not break
|| cash => bank cards => keeps spending visible and works in a power cut => are quick and leave a record of each
payment || buses => trams => can change their route at short notice => carry more people and run on rails without
fumes || podcasts => newspapers => can be enjoyed while cooking or walking => can be skimmed and clipped at your own
pace || rye bread => white bread => keeps for a week and fills you up => is light and mild but goes stale quickly ||
electric bicycles => ordinary bicycles => flatten hills and headwinds but need charging => are light, cheap and simple
to repair || vinyl flooring => wooden flooring => is cheap and does not mind water => can be sanded and used for a
lifetime || group lessons => private lessons => cost less and bring company => move at the learner's own speed ||
steel pans => non-stick pans => brown food well and last for ever => let eggs slide off but wear out in a few years ||
tap water => bottled water => costs next to nothing and makes no waste => can be bought where the tap is not safe
""")
PRAISE = bank("""
the staff greeted us with a smile; everything was spotless; I would come back tomorrow; it arrived a day early; the
quality is superb; my children loved every minute; it was worth every penny; they fixed it in ten minutes; the taste
was wonderful; I felt well looked after; the advice was excellent; it still works perfectly after a year
""")
BLAME = bank("""
nobody answered the phone; the floor was filthy; I want my money back; it broke on the first day; we waited for over
an hour; the waiter was rude to my mother; it was far too expensive; the smell was unbearable; half of the order was
missing; they ignored my complaint; the instructions made no sense; I regret buying it
""")
LANGUAGES = {
    "French": bank("""
Le train part à huit heures.; Je voudrais un café, s'il vous plaît.; Il pleut depuis ce matin.; Ma sœur habite près de
la gare.; Nous avons fermé la fenêtre.
"""),
    "Spanish": bank("""
El tren sale a las ocho.; Quisiera un café, por favor.; Llueve desde esta mañana.; Mi hermana vive cerca de la
estación.; Hemos cerrado la ventana.
"""),
    "German": bank("""
Der Zug fährt um acht Uhr ab.; Ich möchte bitte einen Kaffee.; Es regnet seit heute Morgen.; Meine Schwester wohnt in
der Nähe des Bahnhofs.; Wir haben das Fenster geschlossen.
"""),
    "Italian": bank("""
Il treno parte alle otto.; Vorrei un caffè, per favore.; Piove da stamattina.; Mia sorella abita vicino alla
stazione.; Abbiamo chiuso la finestra.
"""),
}
PHRASES = bank("""
The train leaves at eight.; I would like a coffee, please.; It has been raining since this morning.; My sister lives
near the station.; We have closed the window.
""")
TRUE_FACTS = bank("""
The Danube flows into the Black Sea; Water boils at a lower temperature on high mountains; Spiders have eight legs; A
triangle has three sides; Copper conducts electricity; Iceland lies in the Atlantic Ocean; Penguins lay eggs; The Moon
has no air to breathe; Gold is heavier than wood; Bats are mammals; Light travels faster than sound; Bread dough rises
because of yeast; An octopus has three hearts; Madrid is the capital of Spain; Salt dissolves in water; A leap year
has 366 days; Whales breathe air; Venus is closer to the Sun than Mars; Honey is made by bees; The Sahara is a desert;
Potatoes grow underground; Diamonds are made of carbon; A dozen is twelve; Lisbon lies in Portugal
""")
FALSE_FACTS = bank("""
The Danube flows into the North Sea; Water freezes at fifty degrees Celsius; Spiders have six legs; A hexagon has five
sides; Wood is a metal; Iceland lies in the Pacific Ocean; Penguins live at the North Pole; The Moon is larger than
the Earth; Iron floats on water; Bats are birds; Sound travels faster than light; Cheese is made from rice; An octopus
has a backbone; Lyon is the capital of Italy; Sand dissolves in water; A leap year has 360 days; Whales breathe
through gills; Mercury is the planet farthest from the Sun; Honey is made by ants; The Sahara is an ocean; Bananas
grow underground; Glass is made of milk; A dozen is ten; Oslo lies in Greece
""")
OPINIONS = bank("""
Nobody makes better soup than my aunt; Winter is the loveliest season; Trains are more romantic than planes; Green is
a calming colour for a hall; Chess is more exciting than football; Old houses have more charm than new ones; Cats are
better company than dogs; The new library is ugly; Everybody should learn to play the flute; Lisbon is more beautiful
than Rome; Breakfast is the best meal of the day; Short novels are the best novels; Bread should never be sliced;
Summer concerts are too loud; The old logo looked friendlier; Rainy days are underrated
""")
URGENCY: dict[str, tuple[str, ...]] = {
    "high": bank("""
There is a smell of gas in the kitchen; Water is pouring through the ceiling right now; The front door will not lock
and we leave tonight; Sparks are coming out of the socket; The alarm has not stopped for an hour and nobody can work;
My father is stuck in the lift; All customer records have vanished and we open in ten minutes
"""),
    "medium": bank("""
The heating in one bedroom stays cold; My parcel is two days late; The printer jams on every tenth page; I was charged
twice and would like it sorted out this week; The side gate does not close properly; My login stopped working, but I
can use a colleague's screen until Thursday
"""),
    "low": bank("""
Could you tell me your opening hours over the holidays; The logo on your website looks a little blurred; I would like
a second copy of last year's invoice some time; A light bulb in the cellar has a different colour from the rest; I
have an idea for your newsletter; Please change the spelling of my street when you have time
"""),
}
SPAM = bank("""
You have WON a holiday worth $5,000, click here within ten minutes; Cheap pills, no prescription, order today; Your
account is locked, send your password to unlock it; Make $900 a day from home with this one secret; Final notice:
claim your free phone now; A prince needs your help to transfer two million; Hot stock tip, buy before midnight and
get rich; Congratulations, you are our lucky visitor, pay only the shipping fee; Lose ten kilos in three days,
guaranteed
""")
HAM = bank("""
The meeting on Thursday starts at ten instead of nine; Thank you for the photographs, the one with the boat is lovely;
Your table for four is booked for Saturday at seven; Please find the minutes of last night's meeting below; Can you
feed the cat while we are away; The plumber comes tomorrow between eight and ten; Here is the recipe for the lentil
soup you asked about; Your library books are due on Monday; Happy birthday, and see you at the harbour on Sunday
""")
DEPARTMENTS: dict[str, tuple[str, ...]] = {
    "billing": bank("""
I was charged twice for my March order; The invoice shows the wrong company name; When will the refund reach my bank
account; Your reminder says I owe $40, but I paid last week
"""),
    "delivery": bank("""
The tracking page says it arrived, but nothing has come; Can the parcel be left with my neighbour; The courier put the
box in the rain; I moved house and need the order sent to the new address
"""),
    "repairs": bank("""
The screen flickers when I close the lid; One of the wheels came off after a week; It makes a grinding noise and then
stops; The handle is loose again although it was fixed in May
"""),
}
INTENTS: dict[str, tuple[str, ...]] = {
    "question": bank("""
Do you open on Sundays?; Is the blue one still in stock?; How long does the guarantee last?; Which bus stops near you?
"""),
    "complaint": bank("""
The soup was cold and nobody apologised.; My coat came back with a stain.; I have waited three weeks for an answer.;
The room was loud and smelled of smoke.
"""),
    "praise": bank("""
Your driver was kindness itself.; Best plum cake in town, thank you!; The repair was quick and perfect.; We had a
marvellous evening.
"""),
    "booking": bank("""
Please reserve a table for six on Friday.; I would like an appointment next Tuesday at nine.; Put me down for two
places on the course.; We need a double room from the 4th to the 7th.
"""),
}
POLITE = pairs("""
Send me the report by noon. => Could you please send me the report by noon? || Move your car. => Would you mind moving
your car, please? || You are too loud. => Could I ask you to be a little quieter, please? || Call me back today. => I
would be grateful if you could call me back today. || Give me the bill. => Could we have the bill, please? || Close
the window. => Would you be so kind as to close the window? || I want my money back. => I would like to ask for a
refund, please. || You forgot my order. => I am afraid my order may have been overlooked; could you please check? ||
Wait here. => Would you please wait here for a moment? || Stop parking in front of our gate. => Could you please leave
the space in front of our gate free? || Tell me your name. => May I ask your name, please? || I can't come on Friday.
=> I am sorry, but unfortunately I cannot come on Friday. || Read the instructions first. => May I suggest reading the
instructions first? || This is wrong, do it again. => I think there may be a mistake here; could you please take
another look?
""")
FORMAL = pairs("""
Hey, can't make it tomorrow, sorry! => I regret to inform you that I will not be able to attend tomorrow. || Thanks a
lot for the quick fix. => Thank you very much for resolving the matter so promptly. || We need more folks for the
night shift. => We require additional staff for the night shift. || The thing you sent is busted. => The item that you
sent is defective. || Let me know asap. => Please inform me at your earliest convenience. || No worries, we'll sort it
out. => Please be assured that we will resolve the matter. || Got your letter, will get back to you. => We have
received your letter and will reply in due course. || The boss is fed up with the mess. => The manager is dissatisfied
with the disorder. || Gonna be late, traffic is awful. => I expect to be late owing to heavy traffic. || Can you chip
in for the party? => Would you be willing to contribute to the celebration? || It'll cost loads. => It is likely to be
expensive. || Sorry for the mix-up! => We apologise for the confusion.
""")
ERRORS = pairs("""
She go to the market every Friday. => She goes to the market every Friday. || He don't like cold soup. => He doesn't
like cold soup. || The childrens are playing outside. => The children are playing outside. || I have saw that film
twice. => I have seen that film twice. || Their is a hole in the bucket. => There is a hole in the bucket. || We was
late for the concert. => We were late for the concert. || Its raining, so take your coat. => It's raining, so take
your coat. || This bag is more heavier than mine. => This bag is heavier than mine. || She buyed three lemons. => She
bought three lemons. || Me and him repaired the gate. => He and I repaired the gate. || Your the first to arrive. =>
You're the first to arrive. || I could of helped you. => I could have helped you. || The news are good today. => The
news is good today. || An unicorn stood at the gate. => A unicorn stood at the gate.
""")
CONCERNS = pairs("""
very little money => Ask friends to lend what would otherwise have to be bought || heavy rain => Put a rain cover and
dry socks within reach || a bad knee => Plan a rest every hour and pack a bandage || no mobile signal => Write the
important phone numbers on paper || a child who gets bored => Bring a pack of cards and a small surprise || food
allergies => Carry safe snacks and a card that names the allergy || only one small bag => Choose clothes that can be
worn twice || a very early start => Lay everything out by the door the evening before || noisy surroundings => Take
earplugs for the night || a strict timetable => Note each time and keep a quarter of an hour in reserve || poor
eyesight => Print the details in large type || fear of forgetting something => Tick off each thing as it is packed ||
a hot spell => Take twice as much water as seems necessary || a helper who may cancel => Agree on a second person who
can step in || a fear of crowds => Choose quiet hours and know where the exits are || a broken suitcase => Borrow a
rucksack or tape up the suitcase now
""")
DEEDS = bank("""
planted the first tulips; signed the lease; started a diary; gave up sugar; adopted a greyhound; opened a savings
account; ordered the new oven; began training for a marathon; lent out the ladder; put the cider in the barrel; booked
the ferry; took the car to the garage; sowed the broad beans; joined the rowing club; posted the application; set up
the beehives; rented the trailer; bought the season ticket; moved the piano; stopped smoking
""")
SITUATIONS = bank("""
is unhappy with the service; wants to return something without a receipt; cannot decide between two offers; is angry
about a late delivery; has lost the way; needs help within ten minutes; asks for a discount for no reason; speaks only
a little English; has come on the wrong day; left a wallet behind; has mislaid a ticket; complains about the noise
next door; brings along a large wet dog; wants to cancel at the last minute; has been charged twice; asks whether
children are allowed; is in tears over a cancelled booking; arrives after closing time; wants to talk to the owner;
does not trust the card reader
""")
MANNERS = pairs("""
calm and brief => Let me see to that for you at once. || warm and a little funny => Come in, take a breath, and leave
the worrying to me. || strictly formal => Please allow me to attend to the matter immediately. || patient and detailed
=> Let us go through it together, one step at a time. || cheerful => What luck that you came to us, this is easily put
right! || apologetic => I am so sorry about this, and I will make it good. || matter-of-fact => Here is what we can
do. || reassuring => Do not worry, this happens more often than you might think.
""")
OFFICE_NOTES = bank("""
orders are sent out on Mondays only; invoices will be paid in the following week; the workshop is closed; messages are
not forwarded; deliveries are accepted next door; the telephone is not answered; the price list has changed; all
appointments have been confirmed; the new address is on the website; the summer course is fully booked; lost property
is kept at reception; replies may take three days
""")
FAULTS = bank("""
the order was three weeks late; half of the order was missing; nobody answered any calls; the invoice was sent twice;
the appointment was forgotten; the promised discount was not given; the staff were rude; the deposit was not returned;
the work was left unfinished; the price was raised without notice; the booking was cancelled without a word; three
emails were ignored; the wait took over two hours; the advice turned out to be wrong; the opening hours were not kept;
a voucher was refused; the card was charged twice; the agreed date was moved twice; the receipt was never sent; the
wrong name was on every paper
""")
ENDINGS = pairs("""
funny => It was the second most embarrassing thing of the week. || mysterious => Somebody, it seemed, had been
expecting this for years. || gentle => For a while there was nothing to do but to sit down beside it and listen to the
birds. || melancholy => It smelled of a summer that nobody else remembered. || suspenseful => Then the footsteps on
the gravel stopped. || hopeful => Perhaps, after all, this was the beginning of something good. || surreal => The
postman, who was a goose, merely shrugged. || warm-hearted => There was only one person to share such a find with, and
she lived next door.
""")
