"""Short texts that weave in what the instruction names."""

from __future__ import annotations

import re
from datetime import timedelta

from selfinstruct.llm.demo import sentences, words
from selfinstruct.llm.demo.grammar import Draw, Given, Pair, capitalised
from selfinstruct.llm.demo.slots import clocks, read_clock, read_day, skill, wholes, write_clock, write_day


@skill(
    "invitation",
    "Write an invitation to {event} {venue} for {guests}. Mention that {note}, and ask them to {ask}.",
    "{^person} invites {guests} to {event}. Draft the card: the start is at {clock}, and {note}.",
    "Could you word a friendly invitation from {name} in {town} to {event} {venue}? Guests should {ask}.",
    weight=5,
)
def _invitation(given: Given, draw: Draw) -> Pair:
    lines = [f"Dear {given.get('guests', 'friends')},", f"You are warmly invited to {given['event']}"]
    lines[1] += f" {given['venue']}" if "venue" in given else ""
    lines[1] += f", starting at {given['clock']}." if "clock" in given else "."
    if "note" in given:
        lines.append(f"Please note that {given['note']}.")
    if "ask" in given:
        lines.append(f"We kindly ask you to {given['ask']}.")
    lines.append(f"We look forward to seeing you!{' ' + given['name'] if 'name' in given else ''}")
    return "", "\n".join(lines)


@skill(
    "thank-you note",
    "Write a short thank-you note from {name} to {person} for {favour}, and promise {touch} in return.",
    "{name} wants to thank {relative} for {favour} {when}. Compose three warm sentences that mention {touch}.",
    "How might {firm} thank {name} for {favour}? The note comes with {touch}.",
    favour=words.FAVOURS,
    touch=words.TOUCHES,
    relative=words.RELATIVES,
    weight=4,
)
def _thanks(given: Given, draw: Draw) -> Pair:
    sender = capitalised(given["firm"]) if "firm" in given else given["name"]
    opening = f"Dear {given['name']},\n" if "firm" in given else ""
    return "", (
        f"{opening}Thank you so much for {given['favour']}. It was a great help, and it will not be forgotten. "
        f"Please accept {given['touch']} as a small sign of our gratitude.\n{sender}"
    )


@skill(
    "apology",
    "{^firm} must apologise to {guests} because {trouble}. Write the message and offer {remedy}.",
    "Draft an apology from {person} to {name}: {trouble} {when}. Suggest {remedy}.",
    "What should {firm} in {town} tell a customer whose day was spoilt because {trouble}? Offer {remedy} and stay "
    "brief.",
    weight=5,
)
def _apology(given: Given, draw: Draw) -> Pair:
    to = given.get("name") or given.get("guests", "customer")
    return "", (
        f"Dear {to},\nWe are very sorry: {given['trouble']}, and you had the inconvenience. "
        f"To make up for it, we would like to offer you {given['remedy']}. "
        "We have taken steps so that this does not happen again."
    )


@skill(
    "product description",
    "Describe {product} for the catalogue of {shop} in two sentences; say that it {feature} and {feature2}.",
    "{^person} sells {product} that {feature}. Write an advertisement for {guests} that also says it {feature2}.",
    "Why should {guests} buy {product}? Persuade them in a short text; the product {feature} and {feature2}.",
    product=words.PRODUCTS,
    feature=sentences.FEATURES,
    weight=5,
)
def _product(given: Given, draw: Draw) -> Pair:
    name = re.sub("^an? ", "", given["product"])
    target = f" A good choice for {given['guests']}." if "guests" in given else ""
    return "", (
        f"Meet our {name}: it {given['feature']}, and it {given['feature2']}.{target} "
        "Try it once and you will not want to be without it."
    )


@skill(
    "notice",
    "Write a notice to put up {venue} for {guests}: {trouble}, and {note}. Readers are asked to {ask}.",
    "{^firm} in {town} has to tell {guests} that {trouble}. Put up a sign that also asks people to {ask}.",
    "{name} needs a sign {venue} because {trouble}. It should inform {guests} that {note}.",
    weight=5,
)
def _notice(given: Given, draw: Draw) -> Pair:
    lines = ["NOTICE", f"Unfortunately {given['trouble']}."]
    if "note" in given:
        lines.append(f"Please note: {given['note']}.")
    if "ask" in given:
        lines.append(f"We kindly ask you to {given['ask']}.")
    return "", "\n".join([*lines, "Thank you for your understanding."])


@skill(
    "out-of-office reply",
    "{^person} in {town} is away from {coming} for {few} days. Write the automatic reply, naming {name} as "
    "the contact and saying that {office}.",
    "Compose an out-of-office message for {name} of {firm} in {town}, back on {coming}. In the meantime, "
    "senders should {contact}.",
    "{name}, {person} in {town}, will not read any mail {when}. Draft the automatic answer: senders may "
    "{contact}, and {office}.",
    office=sentences.OFFICE_NOTES,
    contact=words.CONTACTS,
    weight=4,
)
def _out_of_office(given: Given, draw: Draw) -> Pair:
    thanks = "Thank you for your message."
    if "few" in given:
        last = write_day(read_day(given["coming"]) + timedelta(days=int(given["few"]) - 1))
        return "", (
            f"{thanks} I am away from {given['coming']} to {last}. In urgent cases please write to {given['name']}. "
            f"One more thing to know: {given['office']}."
        )
    if "office" in given:
        return "", (
            f"{thanks} I do not read any mail {given['when']}. You may {given['contact']}. "
            f"Please note that {given['office']}.\n{given['name']}"
        )
    return "", (
        f"{thanks} I am out of the office and will be back on {given['coming']}. "
        f"In the meantime, please {given['contact']}.\n{given['name']}"
    )


@skill(
    "story opening",
    "Write the first two sentences of a {mood} story in which {person} finds {thing} {venue}.",
    "Begin a tale for {guests}, {mood} in tone: {name} arrives in {town} with {thing}, and {trouble}.",
    "{name}, {person}, receives {thing} {when}. How does the story begin? It should be {mood}.",
    mood=tuple(sentences.ENDINGS),
    thing=words.STORY_THINGS,
    weight=5,
)
def _story(given: Given, draw: Draw) -> Pair:
    who = given.get("name") or given["person"]
    place = given.get("venue") or (f"in {given['town']}" if "town" in given else given.get("when", ""))
    trouble = f"That was the day when {given['trouble']}. " if "trouble" in given else ""
    start = f"It was {draw.pick(_HOURS)} when {who} came upon {given['thing']} {place}."
    return "", f"{start} {trouble}{sentences.ENDINGS[given['mood']]}"


_HOURS = ("a quarter past four", "almost midnight", "still dark", "the hour before lunch", "too late to turn back")


@skill(
    "slogan",
    "Invent a slogan for the {product}, which {feature}, so that it appeals to {guests}. {name} in {town} prints it.",
    "{^person} sells the {product}. Suggest a catchy line for a banner {venue}, which says that it {feature}.",
    product=tuple(re.sub("^an? ", "", one) for one in words.PRODUCTS),
    feature=sentences.FEATURES,
)
def _slogan(given: Given, draw: Draw) -> Pair:
    name = given["product"]
    return "", draw.pick(
        (
            f"The {name} that {given['feature']}: see it to believe it!",
            f"One {name}. It {given['feature']}. Enough said.",
        )
    )


@skill(
    "job advertisement",
    "Draft a job advertisement: {firm} in {town} seeks a {job} with {quality} and offers {perk}.",
    "{name} runs {firm} and looks for a {job}. Write three lines that ask for {quality} and {quality2} and "
    "promise {perk}.",
    job=words.JOBS,
    quality=words.QUALITIES,
    perk=words.PERKS,
)
def _job(given: Given, draw: Draw) -> Pair:
    wanted = given["quality"] + (f" and {given['quality2']}" if "quality2" in given else "")
    town = f" in {given['town']}" if "town" in given else ""
    return "", (
        f"{capitalised(given['job'])} wanted\n{capitalised(given['firm'])}{town} is looking for a {given['job']} with "
        f"{wanted}.\nWe offer {given['perk']} and look forward to your application."
    )


@skill(
    "role-play reply",
    "You help out at {firm} in {town}. A customer {situation}. Be {manner} in your reply, and offer {remedy}.",
    "Play the part of {person} who minds the reception desk: someone {situation} {when}. Answer in two "
    "sentences and be {manner}.",
    "A customer of {firm} in {town} {situation}. What does {name} say who wants to be {manner} and to offer {remedy}?",
    situation=sentences.SITUATIONS,
    manner=tuple(sentences.MANNERS),
    weight=5,
)
def _role_play(given: Given, draw: Draw) -> Pair:
    opening = sentences.MANNERS[given["manner"]]
    offer = f"I can offer you {given['remedy']}." if "remedy" in given else "Tell me what would help you most."
    return "", f'"{opening} {offer}"'


@skill(
    "checklist",
    "Make a checklist of {few} points for {trip}. {^person} in {town} has to allow for {concern}.",
    "{name} from {town} prepares {trip} and has to reckon with {concern} and {concern2}. List {few} steps.",
    "What should {guests} think of before {trip}, given {concern}? Number {few} short points.",
    few=("five", "six"),
    trip=words.TRIPS,
    concern=tuple(sentences.CONCERNS),
    weight=4,
)
def _checklist(given: Given, draw: Draw) -> Pair:
    advice = sentences.CONCERNS
    points = [advice[given[key]] for key in ("concern", "concern2") if key in given]
    general = (
        "Write down the dates, times and addresses",
        "Decide what can be left out",
        "Tell a friend about the plan",
        "Check the weather two days before",
        "Put keys, papers and some cash in one pocket",
    )
    points = [*general[: {"five": 5, "six": 6}[given["few"]] - len(points)], *points]
    if len(points) < (6 if given["few"] == "six" else 5):
        points.append("Keep the last evening free")
    return "", "\n".join(f"{number}. {point}" for number, point in enumerate(points, 1))


@skill(
    "day plan",
    "Plan the morning of {person} from {clock}: {quarter} minutes for {chore}, {quarter2} minutes for {chore2}, "
    "then {chore3}.",
    "{name} begins at {clock} with {chore} ({quarter} minutes), goes on to {chore2} ({some} minutes) and ends with "
    "{chore3}. Write the timetable.",
    clock=clocks(6, 10),
    quarter=wholes(20, 55, 5),
    chore=words.CHORES,
    weight=4,
)
def _day_plan(given: Given, draw: Draw) -> Pair:
    first = read_clock(given["clock"])
    second = first + int(given["quarter"])
    third = second + int(given["quarter2"] if "quarter2" in given else given["some"])
    chores = ((first, given["chore"]), (second, given["chore2"]), (third, given["chore3"]))
    return "", "\n".join(f"{write_clock(start)} {chore}" for start, chore in chores)


@skill(
    "explanation",
    "Explain {why} to {audience}. {use}",
    "In two or three sentences and plain words, say {why}: {person} asked {when}.",
    "{name} has to tell {audience} {why}. What would be a good, short answer?",
    "{setting} Write a few lines {occasion} that explain {why}.",
    "{^firm} prints a fact on its paper bags. Tell {guests} {why}, without any jargon.",
    why=tuple(sentences.FACTS),
)
def _explanation(given: Given, draw: Draw) -> Pair:
    return "", sentences.FACTS[given["why"]]


_COMPARED = {f"{row[0]} and {row[1]}": row for row in sentences.COMPARISONS}


@skill(
    "comparison",
    "Compare {pair} for {person}, in two sentences with the main strength and weakness of each. {use}",
    "{name} in {town} hesitates between two things {when}. What speaks for each of them: {pair}?",
    "{setting} What should one know about the difference between {pair}?",
    pair=tuple(_COMPARED),
)
def _comparison(given: Given, draw: Draw) -> Pair:
    first, second, praise, praise2 = _COMPARED[given["pair"]]
    return "", f"{capitalised(first)} {praise}. {capitalised(second)} {praise2}."


@skill(
    "interview questions",
    "Prepare three questions that {person} could put to {person2} {when}, one of them about {chore}.",
    "{name} interviews {person} in {town} {when}. Suggest three questions; one should touch on the day when {trouble}.",
    chore=words.CHORES,
)
def _interview(given: Given, draw: Draw) -> Pair:
    own = f"What part does {given['chore']} play in your life?" if "chore" in given else ""
    own = own or f"What did you do on the day when {given['trouble']}?"
    person = given.get("person2", given["person"])
    role = max((one for one in words.ROLES if person.endswith(one)), key=len)
    article = "an" if role[0] in "aeiou" else "a"
    first, last = (
        f"What made you want to become {article} {role}?",
        "What do people most often get wrong about your work?",
    )
    return "", f"1. {first}\n2. {own}\n3. {last}"


@skill(
    "gift idea",
    "Suggest a present under ${some} for {relative} who {hobby}, and say in a sentence why {name} should give "
    "it {when}.",
    "{^person} in {town} looks for a gift for {relative}, who {hobby} and {hobby2}. Name two ideas.",
    "{setting} What would be a good birthday present for {relative} who {hobby}? One idea and the reason, please.",
    relative=words.RELATIVES,
    hobby=tuple(words.GIFTS),
)
def _gift(given: Given, draw: Draw) -> Pair:
    gift = capitalised(words.GIFTS[given["hobby"]])
    if "hobby2" in given:
        return "", f"1. {gift}\n2. {capitalised(words.GIFTS[given['hobby2']])}"
    return "", f"{gift}: useful at once for somebody who {given['hobby']}, and not too expensive."


@skill(
    "complaint",
    "Write a firm but polite complaint from {name} to {firm}: {fault}. Demand {remedy} by {coming}.",
    "{^person} was a customer of {firm} in {town}, but {fault}. Put the complaint into three sentences and "
    "ask for {remedy}.",
    fault=sentences.FAULTS,
    remedy=words.CLAIMS,
    weight=4,
)
def _complaint(given: Given, draw: Draw) -> Pair:
    until = f" by {given['coming']}" if "coming" in given else " within two weeks"
    return "", (
        f"I am writing to complain about your service: {given['fault']}. This is not what I paid for. "
        f"I therefore ask you for {given['remedy']}{until}."
    )


SKILLS = (
    _invitation,
    _thanks,
    _apology,
    _product,
    _notice,
    _out_of_office,
    _story,
    _slogan,
    _job,
    _role_play,
    _checklist,
    _day_plan,
    _explanation,
    _comparison,
    _interview,
    _gift,
    _complaint,
)
